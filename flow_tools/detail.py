"""Fine detail of the still for frames that a lossy autoencoder has decoded (ours)."""

import torch
import torch.nn.functional as F
from torch import Tensor

from .warp import reference_video

AGREEMENT = 0.15  # mean difference, of the range −1..1, at which a frame no longer counts as the still carried along
WINDOW = 9 / 256  # side of the square over which the difference is averaged, in shares of the frame


def carried_detail(still: Tensor, decoded: Tensor, flow: Tensor, frames: int, *, loop: bool = False) -> Tensor:
    """What the autoencoder loses of the still, and what it keeps, carried along the flow: [frames, 6, H, W].

    still, decoded [1, 3, H, W] −1..1: the picture before and after the autoencoder; flow [N, 2, H, W] px/frame.
    """
    return reference_video(torch.cat([still - decoded, decoded], dim=1), flow, frames, loop=loop)


def restore_detail(frames: Tensor, carried: Tensor, amount: float = 1.0) -> Tensor:
    """Adds the lost detail to frames [n, 3, H, W] −1..1, each with its own of `carried_detail` [n, 6, H, W].

    Only where a frame shows what the still carried along shows: exp(−(d/AGREEMENT)²) of their local difference d.
    """
    lost, kept = carried.split(3, dim=1)
    size = int(max(frames.shape[-2:]) * WINDOW) // 2 * 2 + 1
    difference = (frames - kept).abs().mean(dim=1, keepdim=True)
    difference = F.avg_pool2d(difference, size, stride=1, padding=size // 2, count_include_pad=False)
    return frames + amount * torch.exp(-((difference / AGREEMENT) ** 2)) * lost
