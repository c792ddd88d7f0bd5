"""The refiner alone, for a still camera: is its field nearer to what moves than the best Gaussian, more like a thing?

Against the flow of held-out clips, their camera's own motion taken out and hints drawn on what moves; and on made
scenes, whose masks are known. Each Gaussian is `densify` of the same hints with another sigma; the best has the least
error on the clips, or the highest overlap on the scenes.
"""

import statistics
import zlib
from argparse import Namespace

import numpy as np
import torch
from torch import Tensor

from ...flow_tools.arrows import MotionArrows
from ...flow_tools.dense import default_sigma_px, densify
from ...flow_tools.sparse import sparse_flow
from ...flow_tools.warp import reference_video
from ...pipeline.refine import refine
from ...training.data.hints import draw_hints
from ...training.data.refiner_fields import WINDOW, static_field
from ..inputs.held_out import flows_of, held_out_clips
from ..metrics.end_point_error import end_point_error
from ..metrics.overlap import iou
from ..metrics.thing_shape import reach, shape_of
from ..objects.carried import arrows
from ..objects.command import pictures
from ..objects.scenes import CURVED, SIDE, SMALL, STRAIGHT, Scene, alpha_at, make_scenes
from ..output.console import table
from ..output.results import Bar, Results
from ..shots import load_models, settings_of

MODES = ("followed", "faded")  # of the Gaussians; the first is what is refined
REACHES = (0.2, 0.3, 0.4, 0.5, 0.7, 1.0)  # of them, times the default sigma
NOTHING, REFINED = "no motion", "refined"
SHORT = 1 / 3  # of the scenes' arrows: a tenth of the picture
CARRIED = ", carried"
STEP = 0.01  # of a thing's way, over which its velocity is taken


def run(arguments: Namespace) -> list[Bar]:
    """Prints the tables, writes refiner.json, returns the bars."""
    models = load_models()
    results = Results(arguments.out / "refiner.json", settings_of(arguments))
    clips = dict(held_out_clips(arguments, models.animator.size))
    flows = dict(zip(clips, flows_of(clips), strict=True))
    scenes = {scene.name: scene for scene in made_scenes(arguments)}

    def fields(hints: tuple[Tensor, Tensor], image: Tensor) -> dict[str, Tensor]:
        made = {NOTHING: torch.zeros_like(hints[0])} | gaussians(*hints)
        return made | {REFINED: refine(models.refiner, densify(*hints, mode=MODES[0]), image, hints=hints)}

    def of_clip(name: str) -> dict[str, float]:
        generator, errors = torch.Generator().manual_seed(zlib.crc32(name.encode())), []
        for start in range(0, len(flows[name]) - WINDOW + 1, WINDOW):
            true = static_field(flows[name], start)
            made = fields(draw_hints(true, generator), clips[name][start : start + 1])
            errors.append({what: end_point_error(field, true) for what, field in made.items()})
        return means(errors)

    def of_scene(name: str) -> dict[str, float]:
        scene = scenes[name]
        hints = sparse_flow(MotionArrows(tuple(arrows(scene)), SIDE, SIDE), height=SIDE, width=SIDE, frames=2)
        fastest = hints[0].norm(dim=1).max()  # what is half as fast, or faster, moves
        true = true_field(scene).norm(dim=1) / fastest
        made = fields(hints, scene.still())
        return {what: iou(field.norm(dim=1) / fastest, true) for what, field in made.items()}

    def of_way(key: str) -> dict[str, float]:
        scene = scenes[key.removesuffix(CARRIED)]
        hints = sparse_flow(MotionArrows(tuple(arrows(scene)), SIDE, SIDE), height=SIDE, width=SIDE, frames=2)
        dense = densify(*hints, mode=MODES[0])
        made = {"unrefined": dense, REFINED: refine(models.refiner, dense, scene.still(), hints=hints)}
        return {what: share_reached(scene, field, arguments.frames) for what, field in made.items()}

    travelling = [f"{name}{CARRIED}" for name, scene in scenes.items() if scene.kind in (STRAIGHT, SMALL)]
    errors = means(results.fill(list(clips), lambda names: map(of_clip, names), in_words).values())
    overlaps = means(results.fill(list(scenes), lambda names: map(of_scene, names), in_words).values())
    ways = means(results.fill(travelling, lambda keys: map(of_way, keys), in_words).values())
    print(table(("mean", *errors), [("end-point error", *errors.values()), ("overlap", *overlaps.values())]))
    print(table(("share of an arrow that a thing goes", *ways), [("mean", *ways.values())]))
    best = min(value for what, value in errors.items() if what not in (NOTHING, REFINED))
    most = max(value for what, value in overlaps.items() if what not in (NOTHING, REFINED))
    bars = [
        Bar(
            "refiner: end-point error over the best Gaussian's", errors[REFINED] / best, 1, at_least=False, strict=True
        ),
        Bar("refiner: overlap with things over the best Gaussian's", overlaps[REFINED] / most, 1, strict=True),
    ]
    results.finish({"end-point error": errors, "overlap": overlaps, "way": ways}, bars)
    return bars


def gaussians(sparse: Tensor, hints: Tensor) -> dict[str, Tensor]:
    """The dense flow of hints by mode and reach."""
    default = default_sigma_px(*sparse.shape[-2:])
    return {
        f"{mode} {reach:g}": densify(sparse, hints, mode=mode, sigma_px=reach * default)
        for mode in MODES
        for reach in REACHES
    }


def made_scenes(arguments: Namespace) -> list[Scene]:
    """All but those whose arrow bends: it says where a thing will be, not what it is."""
    things, stills, backgrounds = pictures(arguments.data)
    return [scene for scene in make_scenes(list(things.values()), stills, backgrounds) if scene.kind != CURVED]


def true_field(scene: Scene) -> Tensor:
    """[1, 2, H, W] px over the whole way: in a thing's mask as it moves, nothing elsewhere."""
    y, x = np.mgrid[:SIDE, :SIDE] + 0.5
    field = torch.zeros(1, 2, SIDE, SIDE)
    for mover, mask in zip(scene.movers, scene.masks(), strict=True):
        ahead = mover.poses(np.array([STEP]))[0]
        way = ahead[:, :2] @ np.stack([x.ravel(), y.ravel()]) + ahead[:, 2:] - np.stack([x.ravel(), y.ravel()])
        own = torch.from_numpy(way / STEP).float().view(1, 2, SIDE, SIDE)
        field = torch.where(mask > 0.5, own, field)
    return field


def share_reached(scene: Scene, field: Tensor, frames: int) -> float:
    """How far a thing gets where field [1, 2, H, W] px over the whole way carries it for SHORT of the way."""
    start = alpha_at(scene.mover, 0.0)[None]
    end = reference_video(start, field * SHORT / (frames - 1), frames)[-1]
    vector = (scene.mover.path[-1] - scene.mover.path[0]) * SHORT
    return reach(shape_of(start[0]), shape_of(end), vector)


def means(rows) -> dict[str, float]:
    rows = list(rows)
    return {key: statistics.fmean(row[key] for row in rows) for key in rows[0]}


def in_words(row: dict) -> str:
    return ", ".join(f"{key} {value:.2f}" for key, value in row.items())
