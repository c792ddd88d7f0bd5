"""The still's own pixels for frames that a network and a lossy autoencoder have made (ours)."""

import torch
import torch.nn.functional as F
from torch import Tensor

AGREEMENT = 0.2  # mean difference, of the range −1..1, at which a frame hardly counts as the warped still
NEAR = 1.0  # difference of latents, in standard deviations, at which they hardly count as the warped still's
WINDOW = 9 / 256  # side of the square over which the difference is averaged, in fractions of the frame's longer side


def restore_detail(frames: Tensor, warped: Tensor, amount: float = 1.0, *, certain: Tensor | None = None) -> Tensor:
    """Frames [n, 3, H, W] −1..1 that become `warped` [n, 3, H, W], the still warped along the flow, where they agree.

    Each pixel does so with the weight amount · exp(−(d/AGREEMENT)²), d being the local difference of the two; where
    certain [n or 1, 1, H, W] is above 0, with at least amount times that.
    """
    weight = agreement(frames, warped)
    return torch.lerp(frames, warped, amount * (weight if certain is None else torch.maximum(weight, certain)))


def agreement(frames: Tensor, warped: Tensor) -> Tensor:
    """[n, 1, H, W] from 1, where frames [n, 3, H, W] −1..1 show what `warped` does: exp(−(d/AGREEMENT)²)."""
    size = int(max(frames.shape[-2:]) * WINDOW) // 2 * 2 + 1
    difference = (frames - warped).abs().mean(dim=1, keepdim=True)
    for side in ((size, 1), (1, size)):
        padding = (side[0] // 2, side[1] // 2)
        difference = F.avg_pool2d(difference, side, stride=1, padding=padding, count_include_pad=False)
    return torch.exp(-((difference / AGREEMENT) ** 2))


def nearness(latents: Tensor, reference: Tensor) -> Tensor:
    """[n, 1, h, w] from 1, where latents [n, c, h, w] of unit variance are those of the reference: exp(−(d/NEAR)²).

    d is their difference in standard deviations, the root mean square over the channels.
    """
    return torch.exp(-(latents - reference).square().mean(dim=1, keepdim=True) / NEAR**2)
