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
    """As the network sees them, h' × w' px, −1..1 and in main memory."""

    still: Tensor  # [1, 3, h', w']
    reference: Tensor  # [L, 3, h', w'] the still warped along the flow, or [1, 3, h', w'] to be repeated
    warped: Tensor | None = None  # [L, 3, h', w'] what moves is anchored to; None: it is not
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
    """noise [1, 3, h', w'], already scaled, is added to every picture of the reference, as diffusers does."""
    if composition is not None:
        return pictures_of(composition.segment(), still, control, noise=noise, latent_factor=latent_factor)
    field = None if motion is None else motion.motion.field
    moved = reference_video(still.image, field, frames, loop=loop) if control.warped and field is not None else None
    whole = still.shrunk(still.padded)
    reference = (whole if moved is None else still.shrunk(padded(moved))) + noise
    if not control.has_anchor or field is None:
        return Pictures(whole, reference)
    device = memory.device()
    wanted = slice(0 if control.strong is None else None)  # channels: without it only the regions matter
    image, known = still.image[:, wanted].to(device), None if moved is None else moved[:, wanted]
    parts = forward_warped_still(image, field.to(device), frames, loop=loop, still=known)
    warped, moving, uncovered = (padded(part.cpu()) for part in parts)
    anchored = regions(still.shrunk(moving), still.shrunk(uncovered), latent_factor)
    return Pictures(whole, reference, None if control.strong is None else still.shrunk(warped), anchored)


def pictures_of(seen: Seen, still: Still, control: Control, *, noise: Tensor, latent_factor: int) -> Pictures:
    """The same where the frames are put together from layers."""
    whole, pictures = still.shrunk(still.padded), still.shrunk(seen.pictures)
    reference = (pictures if control.warped else whole) + noise
    if not control.has_anchor:
        return Pictures(whole, reference)
    anchored = regions(still.shrunk(seen.moving), still.shrunk(seen.uncovered), latent_factor)
    return Pictures(whole, reference, None if control.strong is None else pictures, anchored)
