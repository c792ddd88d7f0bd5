"""Stills and their flow to frames, with the calls and defaults of the nodes; several at once where memory allows."""

from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import cv2
import torch
from torch import Tensor

from ..flow_tools.arrows import MotionArrows
from ..flow_tools.convention import crop_padding, pad_to_multiple
from ..flow_tools.dense import default_sigma_px, densify
from ..flow_tools.detail import restore_detail
from ..flow_tools.sparse import sparse_flow
from ..model_loaders import locations, memory
from ..model_loaders.animation import Plan, Settings, plan
from ..model_loaders.animator import Animator, decode, encode_motion, load_animator
from ..model_loaders.conditioning import PAD, MotionGuidance, activation_bytes, denoisers
from ..model_loaders.pictures import carried_still
from ..model_loaders.refiner import Refiner, manage_refiner, refine
from ..sampling.animate import euler, first_state, run
from ..sampling.denoiser import Conditioning
from ..sampling.dual_clock import Hold
from .report import digest, digest_without_lora

THRESHOLD = 0.05  # R of Densify Flow
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
    tells_strength: bool = True  # False: the network is told none


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

    region: [1, 1, H, W] 0..1, of Densify Flow.
    """
    height, width = image.shape[-2:]
    sparse, hints = sparse_flow(arrows, height=height, width=width, frames=frames)
    dense = densify(sparse, hints, sigma_px=default_sigma_px(height, width), threshold=THRESHOLD, region=region)
    return refine(models.refiner, dense, image, hints=(sparse, hints), region=region)


def measured(
    models: Models, shots: dict[str, Shot], measure: Callable[[str, Tensor], dict], arguments: Namespace
) -> Iterator[dict]:
    """measure(name, frames [arguments.frames, 3, H, W] -1..1) of every shot, in order; one by one on a CPU.

    The shots of one call share a size, a number of flows, and what they are told.
    """
    if not shots:
        return
    names, frames = list(shots), arguments.frames
    size = batch_size(models, shots, frames)
    if size > 1:
        cv2.setNumThreads(1)  # the pool's threads are enough
    settings = Settings(seed=arguments.seed, steps=arguments.steps, frames=frames)
    with ThreadPoolExecutor(size) as pool:
        for first in range(0, len(names), size):
            batch = names[first : first + size]
            plans = pool.map(lambda name: planned(models.animator, shots[name], settings), batch)
            yield from pool.map(measure, batch, animate_together(models.animator, list(plans)))


def batch_size(models: Models, shots: dict[str, Shot], frames: int) -> int:
    """How many of the shots to animate side by side."""
    animator = models.animator
    image = next(iter(shots.values())).image
    height, width = (side // animator.latent_factor for side in pad_to_multiple(image, PAD)[0].shape[-2:])
    latents = torch.empty(frames, animator.latent_channels, height, width, device="meta")
    return memory.fitting(min(len(shots), LARGEST_BATCH), activation_bytes(animator, latents))


def planned(animator: Animator, shot: Shot, settings: Settings) -> Plan:
    guidance = None
    if shot.flow is not None:
        maps = encode_motion(animator, pad_to_multiple(shot.flow, PAD)[0]) if animator.has_adapter else None
        guidance = MotionGuidance(shot.flow, maps, 1.0, animator.adapter)
    made = plan(animator, shot.image, guidance, replace(settings, motion_strength=shot.percent))
    if shot.tells_strength:
        return made
    return replace(made, conditioning=replace(made.conditioning, strength_percent=None))


def animate_together(animator: Animator, plans: Sequence[Plan]) -> list[Tensor]:
    """Frames [L, 3, H, W] -1..1 of each plan, all in one batch; their settings are the same."""
    device, first = memory.device(), plans[0]
    told = stacked([plan.conditioning for plan in plans], device)
    _, denoise = denoisers(animator, told, first.guidance_scale, segments=len(plans))
    noise = torch.stack([plan.noise for plan in plans]).to(device)
    start = None if first.start is None else torch.stack([plan.start for plan in plans]).to(device)
    with torch.no_grad():
        latents = run(denoise, first_state(noise, first.sigmas[0], start), first.sigmas, 0, sampler=euler)
    frames = latents.shape[1]
    videos = decode(animator, latents.flatten(0, 1).cpu(), segment_frames=frames).split(frames)
    videos = [crop_padding(video, first.padding) for video in videos]
    stills = map(carried_still, plans)
    return [
        (video if still is None else restore_detail(video, still)).clamp(-1, 1)
        for video, still in zip(videos, stills, strict=True)
    ]


def stacked(told: Sequence[Conditioning], device: torch.device) -> Conditioning:
    """One conditioning whose segments have each their own; they have the same parts."""
    first = told[0]
    strength = first.strength_percent
    if strength is not None:
        strength = torch.tensor([one.strength_percent for one in told], device=device)
    motion = first.motion
    if motion is not None:
        motion = tuple(torch.cat(maps) for maps in zip(*(one.motion for one in told), strict=True))
    hold = first.hold
    if hold is not None:
        hold = Hold(torch.stack([one.hold.target for one in told]), torch.stack([one.hold.level for one in told]))
    return replace(
        first,
        image_embedding=torch.cat([one.image_embedding for one in told]),
        reference=torch.stack([one.reference for one in told]),
        added_time_ids=torch.cat([one.added_time_ids for one in told]),
        motion=motion,
        strength_percent=strength,
        hold=hold,
    )
