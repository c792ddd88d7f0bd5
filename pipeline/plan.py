"""Everything that one segment is sampled from, decided and computed before the first step."""

from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from ..flow_tools.convention import check_finite
from ..model_loaders.animator import Animator
from ..sampling.conditioning import Conditioning
from ..sampling.guidance import guidance_scales
from ..sampling.schedule import karras_sigmas
from .composition import Composition, take_apart
from .conditioning import choose_strength, condition
from .control import Control, begin_at, choose_control
from .doubts import doubts
from .motion import EncodedMotion, fit_motion
from .settings import AUTOMATIC, WHOLE, Settings
from .still import Still, automatic_size, prepare_still

SMALLEST = 64  # px: a sampling size


@dataclass(frozen=True)
class Plan:
    """All that sampling needs, in main memory."""

    still: Still
    control: Control
    asked: EncodedMotion | None  # as it was given
    motion: EncodedMotion | None  # the same for these frames of this still
    composition: Composition | None  # of the still, where the motion has objects or living regions
    settings: Settings
    fps: int
    conditioning: Conditioning
    sigmas: Tensor  # [T + 1]
    noise: Tensor  # [L, c, h, w], of unit variance
    start: Tensor | None  # [L, c, h, w] latents that the noise is added to; None: zeros
    guidance_scale: Tensor  # [L]
    report: str = ""  # what will be done, in words, and a line for each warning
    warnings: tuple[str, ...] = ()  # what was hardly meant, and what to do


def plan(
    animator: Animator,
    image: Tensor,
    motion: EncodedMotion | None,
    settings: Settings,
    *,
    sigmas: Tensor | None = None,
    clean_plate: Tensor | None = None,
) -> Plan:
    """For image [1, 3, H, W] −1..1. sigmas: [T + 1] noise levels instead of settings.steps.

    clean_plate [1, 3, H, W] −1..1: the image without the objects that move; None: what they uncover is filled in.

    Raises ValueError for settings that are out of range or do not go together, or a motion that does not fit.
    """
    for name, value in asdict(settings).items():
        if isinstance(value, float):
            check_finite(name, value)
    frames, fps = settings.frames or animator.frames, settings.fps or animator.fps
    if frames < 2:
        raise ValueError(f"frames: got {frames}, allowed 0 (the model's own) or 2 and more")
    size = settings.sampling_size
    if size not in (AUTOMATIC, WHOLE) and size < SMALLEST:
        raise ValueError(
            f"sampling_size: got {size}, allowed {AUTOMATIC:g} (automatic), {WHOLE} (the image's own), or {SMALLEST} "
            "and more"
        )
    control = choose_control(animator, motion is not None, settings)
    if settings.loop and not (control.warped and motion is not None):
        what = "no motion" if motion is None else "a repeated reference"
        raise ValueError(f"loop: got {what}, allowed with motion and a warped reference")
    longer = network_size(animator, settings) if motion is not None else WHOLE
    still = prepare_still(image, longer=longer, unit=animator.unit)
    fitted = motion and fit_motion(motion, animator, still, frames, loop=settings.loop)
    field = fitted and fitted.motion.flow(frames)
    composition = fitted and take_apart(
        still, fitted.motion, frames=frames, loop=settings.loop, clean_plate=clean_plate
    )
    strength = choose_strength(animator, field, settings.motion_strength, dual_clock=control.weak is not None)

    augmentation, generator = first_noise(still, settings)
    conditioning = condition(
        animator,
        still,
        fitted,
        control,
        strength,
        settings,
        frames=frames,
        fps=fps,
        noise=augmentation,
        composition=composition,
    )
    anchor = conditioning.anchor
    noise = torch.randn(conditioning.reference.shape, generator=generator)
    if sigmas is None:
        sigmas = karras_sigmas(
            settings.steps,
            sigma_min=animator.sigma_min,
            sigma_max=control.weak or animator.sigma_max,
            rho=animator.rho,
        )
    elif control.weak is not None:
        sigmas = begin_at(sigmas, control.weak)
    scale = guidance_scales(settings.cfg_min, settings.cfg_max, frames)
    warnings = doubts(motion, frames)
    if size not in (AUTOMATIC, WHOLE) and motion is None:
        warnings += ("without motion sampling_size is not used",)
    if clean_plate is not None and not (fitted and fitted.motion.objects):
        warnings += ("nothing moves as a thing, so clean_plate is not used",)
    passes = "1 pass" if (scale == 1).all() else "2 passes"
    looping = ", looping" if settings.loop else ""
    sampled = f", sampled at {still.sampled[1]}×{still.sampled[0]}" if still.shrinks else ""
    report = (
        f"{animator.name}: {frames} frames of {image.shape[-1]}×{image.shape[-2]} at {fps} fps{sampled}, "
        f"{len(sigmas) - 1} steps, {passes} per step; {control.report}{looping}; {strength.report}"
    )
    return Plan(
        still=still,
        control=control,
        asked=motion,
        motion=fitted,
        composition=composition,
        settings=settings,
        fps=fps,
        conditioning=conditioning,
        sigmas=sigmas,
        noise=noise,
        start=None if control.weak is None or anchor is None else anchor.target,
        guidance_scale=scale,
        report="\n".join((report, *(f"Warning: {warning}" for warning in warnings))),
        warnings=warnings,
    )


def network_size(animator: Animator, settings: Settings) -> int:
    """px of the longer side that the network sees, about; WHOLE: the picture's own."""
    return automatic_size(animator) if settings.sampling_size == AUTOMATIC else settings.sampling_size


def first_noise(still: Still, settings: Settings) -> tuple[Tensor, torch.Generator]:
    """[1, 3, h', w'] to augment the reference with, drawn first, as diffusers does; and what to draw on from."""
    generator = torch.Generator().manual_seed(settings.seed)
    return torch.randn((1, 3, *still.sampled), generator=generator), generator
