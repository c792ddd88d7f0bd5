"""What the network is conditioned on and anchored to, as pictures: before anything is encoded."""

from dataclasses import dataclass

from torch import Tensor

from ..flow_tools.warp import reference_video
from ..model_loaders import memory
from ..sampling.dual_clock import forward_warped_still, regions
from .composition import Composition, Seen, padded
from .control import Control
from .motion import EncodedMotion
from .still import Still


@dataclass(frozen=True)
class Pictures:
    """Of H' × W' px, the padded size, −1..1 and in main memory."""

    still: Tensor  # [1, 3, H', W']
    reference: Tensor  # [L, 3, H', W'] the still warped along the flow, or [1, 3, H', W'] to be repeated
    warped: Tensor | None = None  # [L, 3, H', W'] what moves is anchored to; None: it is not
    regions: tuple[Tensor, Tensor] | None = None  # what moves, what rests: bool [L, 1, h, w]; None: nothing is anchored


def draw_pictures(
    still: Still,
    motion: EncodedMotion | None,
    control: Control,
    *,
    frames: int,
    noise: Tensor,
    loop: bool,
    latent_factor: int,
    composition: Composition | None = None,
) -> Pictures:
    """noise [1, 3, H', W'], already scaled, is added to every picture of the reference, as diffusers does."""
    if composition is not None:
        return pictures_of(composition.segment(), still, control, noise=noise, latent_factor=latent_factor)
    field = None if motion is None else motion.motion.field
    moved = reference_video(still.image, field, frames, loop=loop) if control.warped and field is not None else None
    reference = still.padded if moved is None else padded(moved)
    if not control.has_anchor or field is None:
        return Pictures(still.padded, reference + noise)
    device = memory.device()
    wanted = slice(0 if control.strong is None else None)  # channels: without it only the regions matter
    image, known = still.image[:, wanted].to(device), None if moved is None else moved[:, wanted]
    parts = forward_warped_still(image, field.to(device), frames, loop=loop, still=known)
    warped, moving, uncovered = (padded(part.cpu()) for part in parts)
    anchored = regions(moving, uncovered, latent_factor)
    return Pictures(still.padded, reference + noise, None if control.strong is None else warped, anchored)


def pictures_of(seen: Seen, still: Still, control: Control, *, noise: Tensor, latent_factor: int) -> Pictures:
    """The same where the frames are put together from layers."""
    reference = (seen.pictures if control.warped else still.padded) + noise
    if not control.has_anchor:
        return Pictures(still.padded, reference)
    anchored = regions(seen.moving, seen.uncovered, latent_factor)
    return Pictures(still.padded, reference, None if control.strong is None else seen.pictures, anchored)
