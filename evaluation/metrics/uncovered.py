"""What a picture shows where a thing has left, against the background that is known."""

import torch
from torch import Tensor

from ...flow_tools.fill import from_nearest
from .psnr import psnr_in
from .texture_energy import blurred


def uncovered_gain(
    frame: Tensor, still: Tensor, background: Tensor, hole: Tensor, where: Tensor, *, sigma_px: float = 0.0
) -> float:
    """PSNR `where` a thing has left, in dB above that of the nearest pixels of the still beside the hole.

    frame, still, background [1, 3, H, W] -1..1; hole, where: bool [1, H, W]. sigma_px: all of them blurred before.
    """
    filled = from_nearest(still[0], hole[0])[None]
    frame, filled, background = (_blurred(picture, sigma_px) for picture in (frame, filled, background))
    return psnr_in(frame, background, where) - psnr_in(filled, background, where)


def _blurred(picture: Tensor, sigma_px: float) -> Tensor:
    pixels = blurred(picture[0].permute(1, 2, 0).contiguous().numpy(), sigma_px)
    return torch.from_numpy(pixels).permute(2, 0, 1)[None]
