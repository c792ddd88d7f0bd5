"""Structural similarity."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

SIGMA_PX, RADIUS_PX = 1.5, 5  # Wang et al., IEEE TIP 2004: an 11 x 11 window
C1, C2 = 0.01**2, 0.03**2  # for values 0..1


def ssim(frames: Tensor, target: Tensor) -> float:
    """Mean structural similarity of [N, C, H, W] -1..1, sides of 11 px or more (Wang et al., IEEE TIP 2004).

    Where whole windows fit, as scikit-image counts it; torchmetrics' counts a mirrored border too, which moves it by up
    to 0.03, and takes 6 times as long in float64, in which alone flat pictures come out right to 1e-6.
    """
    return float(ssim_map(frames, target).mean())


def ssim_in(frames: Tensor, target: Tensor, where: Tensor) -> float:
    """Of the windows whose middle lies `where`, bool [1, H, W] or [N, 1, H, W]; NaN for none."""
    middles = where.expand(len(frames), -1, -1, -1)[:, 0, RADIUS_PX:-RADIUS_PX, RADIUS_PX:-RADIUS_PX]
    if not middles.any():
        return math.nan
    return float(ssim_map(frames, target).mean(dim=1)[middles].mean())


def ssim_map(frames: Tensor, target: Tensor) -> Tensor:
    """[N, C, H - 10, W - 10] float64: of each window."""
    offsets = torch.arange(-RADIUS_PX, RADIUS_PX + 1, dtype=torch.float64)
    window = torch.exp(-offsets.square() / (2 * SIGMA_PX**2))
    window = (window / window.sum()).to(frames.device)

    def blur(x: Tensor) -> Tensor:
        return F.conv2d(F.conv2d(x, window.view(1, 1, 1, -1)), window.view(1, 1, -1, 1))

    x, y = ((part.double().flatten(0, 1)[:, None] + 1) / 2 for part in (frames, target))
    mean_x, mean_y = blur(x), blur(y)
    variance_x, variance_y = blur(x * x) - mean_x**2, blur(y * y) - mean_y**2
    covariance = blur(x * y) - mean_x * mean_y
    light = (2 * mean_x * mean_y + C1) / (mean_x**2 + mean_y**2 + C1)
    similar = light * (2 * covariance + C2) / (variance_x + variance_y + C2)
    return similar[:, 0].unflatten(0, frames.shape[:2])
