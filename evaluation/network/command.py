"""Does the network add anything? Finished frames against the still that is merely moved, on what is held out."""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from pathlib import Path

from torch import Tensor

from ...flow_tools.arrows import MotionArrows
from ...flow_tools.color import draw_arrows
from ...flow_tools.motion import Motion
from ...model_loaders import locations
from ...model_loaders.animator import Animator, load_animator
from ...pipeline.animate_still import motion_of_arrows
from ...pipeline.settings import Settings
from ..inputs.arrow_sets import arrow_sets, region_around
from ..inputs.held_out import evenly_chosen, flows_of, held_out_clips, held_out_stills
from ..objects.carried import arrows, motion_of_objects
from ..objects.command import pictures
from ..objects.scenes import KINDS, SIDE, make_scenes
from ..options import add_clips, add_out, add_sampling, add_work, at_least
from ..output.contact_sheet import write_sheet, write_strip
from ..output.results import Results
from ..shots import settings_of
from .figures import of_clip, of_still
from .made import Made, make
from .page import FILE, in_words, write

AMPLIFIED = 4  # the difference on a strip
MIDDLE, LAST = 0.5, 1.0  # of an animation, on a strip
SHOWN = 5  # animations of each kind on the sheet
LIVING = (  # held-out clips of water, spray, fog, smoke, dust and plants, chosen by eye
    "api_hailuo_minimax_t2v-1",
    "api_happyhorse1_0_i2v-1",
    "api_kling_i2v-1",
    "api_kling_v3_flf2v-1",
    "api_ltxv_text_to_video-1",
    "api_pruna_p_video_t2v-1",
    "api_runway_first_last_frame-1",
    "api_runway_gen4_turo_image_to_video-1",
    "api_veo3-1",
    "api_wan3_0_i2v-1",
    "video_kandinsky5_i2v-1",
    "video_wanmove_480p-1",
)


def add_arguments(parser: ArgumentParser) -> None:
    parser.description = __doc__
    add_sampling(parser)
    add_clips(parser)
    parser.add_argument(
        "--stills", type=at_least(1), default=60, help="held-out stills, spread over all of them (default: 60, all)"
    )
    total = sum(KINDS.values())
    parser.add_argument(
        "--scenes", type=at_least(1), default=12, help=f"of the {total} made scenes with objects (default: %(default)s)"
    )
    add_out(parser)
    add_work(parser, "strips and the figures of every animation")


def run(arguments: Namespace) -> None:
    animator = load_animator(locations.BUILTIN, locations.AUTO, "auto")
    settings = Settings(seed=arguments.seed, steps=arguments.steps, frames=arguments.frames)
    results = Results(arguments.work / f"{FILE}.json", settings_of(arguments))
    shots = {**of_areas(arguments, animator), **of_objects(arguments)}

    def strip(name: str) -> Path:
        return arguments.work / FILE / f"{name.replace('/', ' ')}.png"

    def animated(names: list[str]) -> Iterator[dict]:
        for name in names:
            image, motion, drawn = shots[name]
            made = make(animator, image, motion, settings)
            write_strip(strip(name), f"{name[:40]}: still, warp, network, finished", still_pictures(made, image, drawn))
            yield of_still(made)

    stills = results.fill(list(shots), animated, in_words)
    clips = dict(held_out_clips(arguments, animator.size))
    flows = dict(zip(clips, flows_of(clips), strict=True))

    def reconstructed(names: list[str]) -> Iterator[dict]:
        for name in names:
            made = make(animator, clips[name][:1], Motion(flows[name]), settings)
            write_strip(strip(name), f"{name[:40]}: clip, warp, network, finished", clip_pictures(made, clips[name]))
            yield of_clip(made, clips[name], flows[name])

    films = results.fill(list(clips), reconstructed, in_words)
    living = [name for name in clips if name in LIVING]
    shown = [*evenly_chosen(list(shots), SHOWN), *evenly_chosen(living or list(clips), SHOWN)]
    arguments.out.mkdir(parents=True, exist_ok=True)
    write_sheet(arguments.out / f"{FILE}.jpg", [[strip(name)] for name in shown])
    write(arguments, stills, films, living)


def of_areas(arguments: Namespace, animator: Animator) -> dict[str, tuple[Tensor, Motion, MotionArrows]]:
    """Every arrow set of every still, as areas; one arrow has the region that was painted around it."""
    shots = {}
    for name, image in held_out_stills(arguments, animator.size):
        for case, drawn in arrow_sets(image, name).items():
            height, width = image.shape[-2:]
            region = region_around(drawn.arrows[0], height=height, width=width) if len(drawn.arrows) == 1 else None
            motion = motion_of_arrows(drawn, frames=arguments.frames, region=region)
            shots[f"{name}, {case}"] = (image, motion, drawn)
    return shots


def of_objects(arguments: Namespace) -> dict[str, tuple[Tensor, Motion, MotionArrows]]:
    """Made scenes, their things as objects with the true masks."""
    things, stills, backgrounds = pictures(arguments.data)
    scenes = evenly_chosen(make_scenes(list(things.values()), stills, backgrounds), arguments.scenes)
    return {
        scene.name: (
            scene.still(),
            motion_of_objects(scene, arguments.frames),
            MotionArrows(tuple(arrows(scene)), SIDE, SIDE),
        )
        for scene in scenes
    }


def still_pictures(made: Made, image: Tensor, drawn: MotionArrows) -> list[Tensor]:
    frame = moment(made.final, LAST)
    difference = AMPLIFIED * (made.final[frame] - made.warp[frame]).abs() / 2
    shown = [(video[frame] + 1) / 2 for video in (made.warp, made.network, made.final)]
    return [draw_arrows((image + 1) / 2, drawn), *shown, difference]


def clip_pictures(made: Made, clip: Tensor) -> list[Tensor]:
    frame = moment(clip, MIDDLE)
    return [(video[frame] + 1) / 2 for video in (clip, made.warp, made.network, made.final)] + [
        AMPLIFIED * (made.final[frame] - made.warp[frame]).abs() / 2
    ]


def moment(frames: Tensor, share: float) -> int:
    return round(share * (len(frames) - 1))
