"""Stills and their flow to frames, with the calls and defaults of the nodes; several at once where memory allows."""

from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..flow_tools.arrows import MotionArrows
from ..flow_tools.convention import crop_padding
from ..flow_tools.dense import FADED
from ..flow_tools.detail import restore_detail
from ..flow_tools.motion import Motion
from ..model_loaders import locations, memory
from ..model_loaders.animator import Animator, load_animator
from ..model_loaders.refiner import Refiner, manage_refiner
from ..pipeline.animate_still import motion_of_arrows
from ..pipeline.decode import decode
from ..pipeline.denoise import activation_bytes, denoisers
from ..pipeline.frames import backward_warped_still
from ..pipeline.motion import encode_motion
from ..pipeline.plan import Plan, plan
from ..pipeline.settings import Settings
from ..pipeline.still import prepare_still
from ..sampling.conditioning import stacked
from ..sampling.trajectory import euler, first_state, run
from .measuring import measuring
from .output.results import digest, digest_without_lora

LARGEST_BATCH = 12  # more are no faster on a GPU, and figures come later


@dataclass(frozen=True)
class Models:
    animator: Animator
    refiner: Refiner


@dataclass(frozen=True)
class Shot:
    """A picture to animate."""

    image: Tensor  # [1, 3, H, W] -1..1
    flow: Tensor | None  # [N, 2, H, W] px/frame; None: no guidance
    percent: float | None = None  # motion strength by hand; None: measured from the flow
    strength_conditioned: bool = True  # False: the network gets none


def load_models(model: str = locations.BUILTIN, adapter: str = locations.AUTO) -> Models:
    """The animator of these names, and the built-in refiner."""
    refiner = manage_refiner(locations.resolve("refiner", locations.BUILTIN))
    return Models(load_animator(model, adapter, "auto"), refiner)


def settings_of(arguments: Namespace) -> dict:
    """What the figures of animations depend on."""
    settings = {name: getattr(arguments, name) for name in ("frames", "steps", "seed")}
    return {**settings, **inputs_of(arguments)}


def inputs_of(arguments: Namespace) -> dict[str, str]:
    """What tells apart prepared sets, weights, and the files that --model and --adapter name."""
    found = {"data": digest(arguments.data / "index.json"), "weights": digest_without_lora(locations.WEIGHTS)}
    for option, kind in (("model", "animator"), ("adapter", "adapter")):
        name = getattr(arguments, option, locations.BUILTIN)
        if name not in (locations.BUILTIN, locations.AUTO, locations.NONE):
            found[f"{option}'s files"] = locations.fingerprint(kind, name)
    return found


def flow_of(
    models: Models, image: Tensor, arrows: MotionArrows, *, frames: int, region: Tensor | None = None
) -> Tensor:
    """The refined flow [1, 2, H, W] px/frame that arrows on image [1, 3, H, W] -1..1 ask for; none: zeros.

    It is refined from the faded field, as in every figure that was measured so far. region: [1, 1, H, W] 0..1, of
    Densify Flow.
    """
    drawn = {"frames": frames, "mode": FADED, "region": region}
    return motion_of_arrows(arrows, **drawn, image=image, refiner=models.refiner).field


def measured(
    models: Models, shots: dict[str, Shot], measure: Callable[[str, Tensor], dict], arguments: Namespace
) -> Iterator[dict]:
    """measure(name, frames [arguments.frames, 3, H, W] -1..1) of every shot, in order; one by one on a CPU.

    The shots of one call share a size, a number of flows, and what they are conditioned on.
    """
    if not shots:
        return
    names, frames = list(shots), arguments.frames
    size = batch_size(models, shots, frames)
    settings = Settings(seed=arguments.seed, steps=arguments.steps, frames=frames)
    with measuring(size) as pool:
        for first in range(0, len(names), size):
            batch = names[first : first + size]
            plans = pool.map(lambda name: planned(models.animator, shots[name], settings), batch)
            yield from pool.map(measure, batch, animate_together(models.animator, list(plans)))


def batch_size(models: Models, shots: dict[str, Shot], frames: int) -> int:
    """How many of the shots to animate side by side."""
    animator = models.animator
    image = next(iter(shots.values())).image
    height, width = (side // animator.latent_factor for side in prepare_still(image).padded.shape[-2:])
    latents = torch.empty(frames, animator.latent_channels, height, width, device="meta")
    return memory.fitting(min(len(shots), LARGEST_BATCH), activation_bytes(animator, latents))


def planned(animator: Animator, shot: Shot, settings: Settings) -> Plan:
    motion = None if shot.flow is None else encode_motion(animator, Motion(shot.flow))
    made = plan(animator, shot.image, motion, replace(settings, motion_strength=shot.percent))
    if shot.strength_conditioned:
        return made
    return replace(made, conditioning=replace(made.conditioning, strength_percent=None))


def animate_together(animator: Animator, plans: Sequence[Plan]) -> list[Tensor]:
    """Frames [L, 3, H, W] -1..1 of each plan, all in one batch; their settings are the same."""
    device, first = memory.device(), plans[0]
    conditioning = stacked([plan.conditioning for plan in plans])
    _, denoise = denoisers(animator, conditioning, first.guidance_scale, segments=len(plans))
    noise = torch.stack([plan.noise for plan in plans]).to(device)
    start = None if first.start is None else torch.stack([plan.start for plan in plans]).to(device)
    with torch.no_grad():
        latents = run(denoise, first_state(noise, first.sigmas[0], start), first.sigmas, 0, sampler=euler)
    frames = latents.shape[1]
    videos = decode(animator, latents.flatten(0, 1).cpu(), segment_frames=frames).split(frames)
    videos = [crop_padding(video, first.still.padding) for video in videos]
    stills = map(backward_warped_still, plans)
    return [
        (video if still is None else restore_detail(video, still)).clamp(-1, 1)
        for video, still in zip(videos, stills, strict=True)
    ]
