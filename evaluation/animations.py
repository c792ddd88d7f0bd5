"""A still and its arrows to frames, with the calls and the defaults of the nodes."""

from dataclasses import dataclass

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
    choose_strength,
    condition,
    denoisers,
    fit_guidance,
)
from ..model_loaders.refiner import Refiner, manage_refiner, refine
from ..sampling.animate import animate
from ..sampling.guidance import guidance_scales
from ..sampling.schedule import karras_sigmas

THRESHOLD = 0.05  # R of Densify Flow
NOISE_AUG_STRENGTH = 0.02


@dataclass(frozen=True)
class Models:
    animator: Animator
    refiner: Refiner


def load_models(model: str = locations.BUILTIN, adapter: str = locations.AUTO) -> Models:
    """The animator of these names, and the built-in refiner."""
    refiner = manage_refiner(locations.resolve("refiner", locations.BUILTIN))
    return Models(load_animator(model, adapter, "auto"), refiner)


def flow_of(models: Models, image: Tensor, arrows: MotionArrows, *, frames: int) -> Tensor:
    """The refined flow [1, 2, H, W] px/frame that arrows on image [1, 3, H, W] -1..1 ask for; none: zeros."""
    height, width = image.shape[-2:]
    sparse, hints = sparse_flow(arrows, height=height, width=width, frames=frames)
    dense = densify(sparse, hints, sigma_px=default_sigma_px(height, width), threshold=THRESHOLD)
    return refine(models.refiner, dense, image)


def animate_image(models: Models, image: Tensor, flow: Tensor, *, frames: int, steps: int, seed: int) -> Tensor:
    """image [1, 3, H, W] -1..1 and its flow [N, 2, H, W] px/frame -> frames [frames, 3, H, W] -1..1."""
    animator = models.animator
    maps = encode_motion(animator, pad_to_multiple(flow, PAD)[0]) if animator.has_adapter else None
    guidance = MotionGuidance(flow, maps, 1.0, animator.adapter)
    guidance = fit_guidance(guidance, animator, *image.shape[-2:], frames)
    strength, bucket, _ = choose_strength(animator, guidance.flow, None)
    padded, padding = pad_to_multiple(image, PAD)
    generator = torch.Generator().manual_seed(seed)
    conditioning = condition(
        animator,
        image,
        guidance,
        strength,
        bucket,
        frames=frames,
        fps=animator.fps,
        noise=torch.randn(padded.shape, generator=generator),
        noise_aug_strength=NOISE_AUG_STRENGTH,
        loop=False,
    )
    _, denoise = denoisers(animator, conditioning, guidance_scales(1.0, 1.0, frames))
    noise = torch.randn(conditioning.reference.shape, generator=generator).to(memory.device())
    sigmas = karras_sigmas(steps, sigma_min=animator.sigma_min, sigma_max=animator.sigma_max, rho=animator.rho)
    latents = animate(denoise, noise, sigmas).latents
    return crop_padding(decode(animator, latents, segment_frames=frames), padding).clamp(-1, 1)
