"""What the network is conditioned on: a still, its motion, and the settings."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..flow_tools.strength import strength_percent
from ..model_loaders.animator import Animator
from ..sampling.conditioning import Conditioning
from ..sampling.dual_clock import FREE, Anchor
from .composition import Composition
from .control import Control
from .encode import embed_image, encode_image
from .motion import EncodedMotion
from .pictures import Pictures, draw_pictures
from .settings import Settings
from .still import Still

MOTION_BUCKET_ID = 127  # SVD's own default, and the built-in adapter's training
LARGEST_BUCKET_ID = 255
DUAL_CLOCK_BUCKET_ID = 17  # Time-to-Move's: the motion comes from the warped still, not from the model


@dataclass(frozen=True)
class ChosenStrength:
    percent: float | None  # for the adapter; None: there is none
    motion_bucket_id: int
    report: str  # what was done, in words


def choose_strength(
    animator: Animator, field: Tensor | None, manual: float | None, *, dual_clock: bool = False
) -> ChosenStrength:
    """manual: percent, or None for auto: eq. 8 of the field [N, 2, H, W], but a low motion_bucket_id where a dual clock
    moves things."""
    if manual is not None:
        percent, source = manual, "set by hand"
    elif field is None:
        report = f"no flow to measure, so the default motion_bucket_id = {MOTION_BUCKET_ID}"
        return ChosenStrength(None, MOTION_BUCKET_ID, report)
    elif dual_clock and not animator.has_adapter:
        report = f"motion_bucket_id = {DUAL_CLOCK_BUCKET_ID}, the default of dual clock"
        return ChosenStrength(None, DUAL_CLOCK_BUCKET_ID, report)
    else:
        percent, source = strength_percent(field), "measured from the flow"
    report = f"motion strength {percent:.0f} % ({source}) drives "
    if animator.has_adapter:
        return ChosenStrength(percent, MOTION_BUCKET_ID, report + f"the adapter {animator.adapter}")
    bucket = max(0, min(LARGEST_BUCKET_ID, round(percent)))
    return ChosenStrength(None, bucket, report + f"motion_bucket_id = {bucket}: no adapter is loaded")


def condition(
    animator: Animator,
    still: Still,
    motion: EncodedMotion | None,
    control: Control,
    strength: ChosenStrength,
    settings: Settings,
    *,
    frames: int,
    fps: int,
    noise: Tensor,
    composition: Composition | None = None,
) -> Conditioning:
    """All that the network is conditioned on, in main memory. motion: fitted; noise [1, 3, h', w'] of unit variance."""
    pictures = draw_pictures(
        still,
        motion,
        control,
        frames=frames,
        noise=noise * settings.noise_aug_strength,
        loop=settings.loop,
        latent_factor=animator.latent_factor,
        composition=composition,
    )
    embedding = embed_image(animator, still.image)
    reference, anchor = encode_pictures(animator, pictures, control, frames)
    return Conditioning(
        image_embedding=embedding,
        reference=reference,
        added_time_ids=torch.tensor(
            [[fps - 1, strength.motion_bucket_id, settings.noise_aug_strength]], dtype=torch.float32
        ),
        motion=motion and motion.maps,
        motion_scale=motion.strength if motion else 1.0,
        strength_percent=strength.percent,
        anchor=anchor,
    )


def encode_pictures(
    animator: Animator, pictures: Pictures, control: Control, frames: int
) -> tuple[Tensor, Anchor | None]:
    """(reference [frames, c, h, w] unscaled, what the estimate keeps to)."""
    reference = encode_image(animator, pictures.reference).expand(frames, -1, -1, -1)
    if pictures.regions is None:
        return reference, None
    moves, rests = pictures.regions
    target = encode_image(animator, pictures.still) * animator.scaling_factor
    if pictures.warped is not None:
        warped = encode_image(animator, pictures.warped) * animator.scaling_factor
        target = torch.where(rests, target, warped)
    return reference, Anchor(target.expand(frames, -1, -1, -1), levels(moves, rests, control))


def levels(moves: Tensor, rests: Tensor, control: Control) -> Tensor:
    """[L, 1, h, w]: down to which noise level the estimate keeps to its anchor."""
    level = torch.full(rests.shape, FREE)
    if control.still is not None:
        level = level.masked_fill(rests, control.still)
    if control.strong is not None:
        level = level.masked_fill(moves, control.strong)
    return level
