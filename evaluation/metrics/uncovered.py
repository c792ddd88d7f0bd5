"""What a picture shows where a thing has left, against the background that is known."""

from torch import Tensor

from ...flow_tools.fill import from_nearest
from .psnr import psnr_in


def uncovered_gain(frame: Tensor, still: Tensor, background: Tensor, hole: Tensor, where: Tensor) -> float:
    """PSNR `where` a thing has left, in dB above that of the nearest pixels of the still beside the hole.

    frame, still, background [1, 3, H, W] -1..1; hole, where: bool [1, H, W].
    """
    filled = from_nearest(still[0], hole[0])[None]
    return psnr_in(frame, background, where) - psnr_in(filled, background, where)
