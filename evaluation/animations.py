"""Stills and their flow to frames, with the calls and defaults of the nodes; several at once where memory allows."""

from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import torch
from torch import Tensor

from ..flow_tools.arrows import MotionArrows
from ..flow_tools.convention import crop_padding, pad_to_multiple
from ..flow_tools.dense import default_sigma_px, densify
from ..flow_tools.sparse import sparse_flow
from ..model_loaders import locations, memory
from ..model_loaders.animator import Animator, decode, encode_motion, load_animator
from ..model_loaders.conditioning import (
    PAD,
    MotionGuidance,
    activation_bytes,
    choose_strength,
    condition,
    fit_guidance,
)
from ..model_loaders.refiner import Refiner, manage_refiner, refine
from ..sampling.animate import euler, run
from ..sampling.denoiser import Conditioning, make_denoiser
from ..sampling.schedule import init_noise_scale, karras_sigmas
from .report import digest

THRESHOLD = 0.05  # R of Densify Flow
NOISE_AUG_STRENGTH = 0.02
LARGEST_BATCH = 12  # more are no faster on a GPU, and figures come later


@dataclass(frozen=True)
class Models:
    animator: Animator
    refiner: Refiner


@dataclass(frozen=True)
class Shot:
    """A picture to animate."""

    image: Tensor  # [1, 3, H, W] -1..1
    flow: Tensor  # [N, 2, H, W] px/frame


def load_models(model: str = locations.BUILTIN, adapter: str = locations.AUTO) -> Models:
    """The animator of these names, and the built-in refiner."""
    refiner = manage_refiner(locations.resolve("refiner", locations.BUILTIN))
    return Models(load_animator(model, adapter, "auto"), refiner)


def settings_of(arguments: Namespace) -> dict:
    """What the figures of animations depend on."""
    settings = {name: getattr(arguments, name) for name in ("frames", "steps", "seed")}
    return {**settings, "weights": digest(locations.WEIGHTS)}


def flow_of(models: Models, image: Tensor, arrows: MotionArrows, *, frames: int) -> Tensor:
    """The refined flow [1, 2, H, W] px/frame that arrows on image [1, 3, H, W] -1..1 ask for; none: zeros."""
    height, width = image.shape[-2:]
    sparse, hints = sparse_flow(arrows, height=height, width=width, frames=frames)
    dense = densify(sparse, hints, sigma_px=default_sigma_px(height, width), threshold=THRESHOLD)
    return refine(models.refiner, dense, image)


def measured(
    models: Models, shots: dict[str, Shot], measure: Callable[[str, Tensor], dict], arguments: Namespace
) -> Iterator[dict]:
    """measure(name, frames [arguments.frames, 3, H, W] -1..1) of every shot, in order; one by one on a CPU.

    The shots of one call share a size and a number of flows.
    """
    names, frames = list(shots), arguments.frames
    size = batch_size(models, shots, frames)
    if size > 1:
        cv2.setNumThreads(1)  # the pool's threads are enough
    with ThreadPoolExecutor(size) as pool:
        for first in range(0, len(names), size):
            batch = names[first : first + size]
            asked = [shots[name] for name in batch]
            videos = animate_images(models, asked, frames=frames, steps=arguments.steps, seed=arguments.seed)
            yield from pool.map(measure, batch, videos)


def batch_size(models: Models, shots: dict[str, Shot], frames: int) -> int:
    """How many of the shots to animate side by side."""
    animator = models.animator
    image = next(iter(shots.values())).image
    height, width = (side // animator.latent_factor for side in pad_to_multiple(image, PAD)[0].shape[-2:])
    latents = torch.empty(frames, animator.latent_channels, height, width, device="meta")
    return memory.fitting(min(len(shots), LARGEST_BATCH), activation_bytes(animator, latents))


def animate_images(models: Models, shots: Sequence[Shot], *, frames: int, steps: int, seed: int) -> list[Tensor]:
    """Frames [frames, 3, H, W] -1..1 of each shot, all in one batch and from the same noise."""
    animator = models.animator
    told = [condition_shot(animator, shot, frames=frames, seed=seed) for shot in shots]
    sigmas = karras_sigmas(steps, sigma_min=animator.sigma_min, sigma_max=animator.sigma_max, rho=animator.rho)
    noise = torch.stack([noise for _, noise in told]).to(memory.device()) * init_noise_scale(sigmas[0])
    with torch.no_grad():
        latents = run(denoiser(animator, [conditioning for conditioning, _ in told]), noise, sigmas, 0, sampler=euler)
    videos = decode(animator, latents.flatten(0, 1).cpu(), segment_frames=frames).split(frames)
    _, padding = pad_to_multiple(shots[0].image, PAD)
    return [crop_padding(video, padding).clamp(-1, 1) for video in videos]


def condition_shot(animator: Animator, shot: Shot, *, frames: int, seed: int) -> tuple[Conditioning, Tensor]:
    """What the network is told about a shot, and its unit noise [frames, c, h, w]; both in main memory."""
    maps = encode_motion(animator, pad_to_multiple(shot.flow, PAD)[0]) if animator.has_adapter else None
    guidance = MotionGuidance(shot.flow, maps, 1.0, animator.adapter)
    guidance = fit_guidance(guidance, animator, *shot.image.shape[-2:], frames)
    strength, bucket, _ = choose_strength(animator, guidance.flow, None)
    padded, _ = pad_to_multiple(shot.image, PAD)
    generator = torch.Generator().manual_seed(seed)
    conditioning = condition(
        animator,
        shot.image,
        guidance,
        strength,
        bucket,
        frames=frames,
        fps=animator.fps,
        noise=torch.randn(padded.shape, generator=generator),
        noise_aug_strength=NOISE_AUG_STRENGTH,
        loop=False,
    )
    return conditioning, torch.randn(conditioning.reference.shape, generator=generator)


def denoiser(animator: Animator, told: Sequence[Conditioning]) -> Callable[[Tensor, Tensor], Tensor]:
    """The animator's denoiser for a batch whose videos have a conditioning each."""
    needed = len(told) * activation_bytes(animator, told[0].reference)
    (network,) = memory.load(animator.unet, memory_required=needed)
    device, dtype = memory.device(), animator.dtype
    first = told[0]
    batch = Conditioning(
        image_embedding=torch.cat([one.image_embedding for one in told]).to(device, dtype),
        reference=torch.stack([one.reference for one in told]).to(device, dtype),
        added_time_ids=torch.cat([one.added_time_ids for one in told]).to(device),
        motion=first.motion
        and tuple(torch.cat(maps).to(device, dtype) for maps in zip(*(one.motion for one in told), strict=True)),
        motion_scale=first.motion_scale,
    )
    strengths = None
    if first.strength_percent is not None:
        strengths = torch.tensor([one.strength_percent for one in told], device=device)

    def with_strengths(*inputs, strength_percent: None, **named) -> Tensor:
        return network(*inputs, strength_percent=strengths, **named)

    return make_denoiser(with_strengths, batch, count=lambda _: memory.check_cancel())
