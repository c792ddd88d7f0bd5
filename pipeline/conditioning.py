"""What the network is told about a still and its motion."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..flow_tools.strength import strength_percent
from ..flow_tools.warp import reference_video
from ..model_loaders import memory
from ..model_loaders.animator import Animator
from ..sampling.conditioning import Conditioning
from ..sampling.dual_clock import FREE, Hold, regions, warped_still
from .control import Control
from .encode import embed_image, encode_image
from .motion import EncodedMotion
from .settings import Settings
from .still import Still

MOTION_BUCKET_ID = 127  # SVD's own default, and the built-in adapter's training
LARGEST_BUCKET_ID = 255
DUAL_CLOCK_BUCKET_ID = 17  # Time-to-Move's: the motion comes from the warped still, not from the model


@dataclass(frozen=True)
class MotionStrength:
    percent: float | None  # for the adapter; None: there is none
    motion_bucket_id: int
    report: str  # what was done, in words


def choose_strength(
    animator: Animator, field: Tensor | None, manual: float | None, *, dual_clock: bool = False
) -> MotionStrength:
    """manual: percent, or None for auto: eq. 8 of the field [N, 2, H, W], but a low motion_bucket_id where a dual clock
    moves things."""
    if manual is None and field is None:
        report = f"no flow to measure, so the default motion_bucket_id = {MOTION_BUCKET_ID}"
        return MotionStrength(None, MOTION_BUCKET_ID, report)
    if manual is None and dual_clock and not animator.has_adapter:
        report = f"motion_bucket_id = {DUAL_CLOCK_BUCKET_ID}, the dual clock's own"
        return MotionStrength(None, DUAL_CLOCK_BUCKET_ID, report)
    percent = strength_percent(field) if manual is None else manual
    report = (
        f"motion strength {percent:.0f} % ({'measured from the flow' if manual is None else 'set by hand'}) drives "
    )
    if animator.has_adapter:
        return MotionStrength(percent, MOTION_BUCKET_ID, report + f"the adapter {animator.adapter}")
    bucket = max(0, min(LARGEST_BUCKET_ID, round(percent)))
    return MotionStrength(None, bucket, report + f"motion_bucket_id = {bucket}: no adapter is loaded")


def condition(
    animator: Animator,
    still: Still,
    motion: EncodedMotion | None,
    control: Control,
    strength: MotionStrength,
    settings: Settings,
    *,
    frames: int,
    fps: int,
    noise: Tensor,
) -> Conditioning:
    """Everything the network is told, in main memory. motion: fitted; noise [1, 3, H', W'] of unit variance."""
    field = motion.padded if motion and control.warped else None
    return Conditioning(
        image_embedding=embed_image(animator, still.image),
        reference=encode_reference(
            animator, still, field, frames, noise=noise * settings.noise_aug_strength, loop=settings.loop
        ),
        added_time_ids=torch.tensor(
            [[fps - 1, strength.motion_bucket_id, settings.noise_aug_strength]], dtype=torch.float32
        ),
        motion=motion and motion.maps,
        motion_scale=motion.strength if motion else 1.0,
        strength_percent=strength.percent,
        hold=encode_hold(animator, still, motion.padded, frames, control, loop=settings.loop)
        if control.holds
        else None,
    )


def encode_reference(
    animator: Animator, still: Still, field: Tensor | None, frames: int, *, noise: Tensor, loop: bool
) -> Tensor:
    """[L, c, h, w], unscaled: the still warped along the padded field [N, 2, H', W'], or repeated where there is none.

    noise [1, 3, H', W'], already scaled, is added to every picture before encoding, as diffusers does.
    """
    if field is None:
        return encode_image(animator, still.padded + noise).expand(frames, -1, -1, -1)
    return encode_image(animator, reference_video(still.padded, field, frames, loop=loop) + noise)


def encode_hold(animator: Animator, still: Still, field: Tensor, frames: int, control: Control, *, loop: bool) -> Hold:
    """What the estimate keeps to, and how long, along the padded field [N, 2, H', W']."""
    image = still.padded
    pushed = image if control.strong is not None else image[:, :0]  # without it only the regions matter
    place = memory.device()
    video, moving, uncovered = (
        part.cpu() for part in warped_still(pushed.to(place), field.to(place), frames, loop=loop)
    )
    moves, rests = regions(moving, uncovered, animator.latent_factor)
    latents = encode_image(animator, image) * animator.scaling_factor
    level = torch.full(rests.shape, FREE)
    if control.still is not None:
        level = level.masked_fill(rests, control.still)
    if control.strong is None:
        return Hold(latents.expand(frames, -1, -1, -1), level)
    warped = encode_image(animator, video) * animator.scaling_factor
    return Hold(torch.where(rests, latents, warped), level.masked_fill(moves, control.strong))
