"""Figures of merit: pure functions of frames (-1..1), flow (px/frame) and arrows."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..flow_tools.arrows import Arrow, path_px

LEVELS = 127.5  # grey levels of 255 in 1 of -1..1
SSIM_SIGMA_PX, SSIM_RADIUS_PX = 1.5, 5  # Wang et al., IEEE TIP 2004: an 11 x 11 window
SSIM_C1, SSIM_C2 = 0.01**2, 0.03**2  # for values 0..1


def under_arrow(arrow: Arrow, *, height: int, width: int, radius_px: float) -> Tensor:
    """Pixels at most radius_px from the arrow's line (a pin's point): bool [H, W]."""
    path = path_px(arrow.points, width=width, height=height)
    pixels = np.stack(np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5), axis=-1)
    near = np.zeros((height, width), dtype=bool)
    for start, end in zip(path, path[1:] if len(path) > 1 else path, strict=False):
        line = end - start
        share = np.clip((pixels - start) @ line / max(line @ line, 1e-12), 0, 1)
        near |= np.linalg.norm(pixels - start - share[..., None] * line, axis=-1) <= radius_px
    return torch.from_numpy(near)


def commanded_velocity(arrow: Arrow, *, height: int, width: int, frames: int) -> Tensor:
    """What a straight arrow asks for, px/frame [2] (eq. 5); a pin asks for zero."""
    path = path_px(arrow.points, width=width, height=height)
    return torch.from_numpy((path[-1] - path[0]) * arrow.strength / (frames - 1)).float()


def cosine(measured: Tensor, commanded: Tensor) -> float:
    """Of two vectors [2]; 0 where one of them is zero."""
    length = float(measured.norm() * commanded.norm())
    return float(measured @ commanded) / length if length > 0 else 0.0


def relative_error(measured: Tensor, commanded: Tensor) -> float:
    """End-point error over the commanded length; standing still has 1."""
    return float((measured - commanded).norm() / commanded.norm())


def end_point_error(flow: Tensor, true: Tensor) -> float:
    """Mean distance of [..., 2, H, W] from the true flow, px/frame (Barron et al., IJCV 1994)."""
    return float((flow - true).norm(dim=-3).mean())


def mean_length(flow: Tensor, where: Tensor) -> float:
    """Mean |flow| of [N, 2, H, W] over all N at the pixels of the bool [H, W], px/frame; NaN where it has none."""
    return float(torch.hypot(*flow.unbind(1))[:, where].mean())


def frame_change(frames: Tensor) -> float:
    """Mean |difference| of neighbouring frames [L, 3, H, W], in grey levels of 255."""
    return float(frames.diff(dim=0).abs().mean()) * LEVELS


def colour_drift(frames: Tensor) -> float:
    """The largest difference of a frame's mean R, G or B from frame 0's, of [L, 3, H, W], in grey levels of 255."""
    means = frames.mean(dim=(2, 3))
    return float((means - means[0]).abs().max()) * LEVELS


def psnr(frames: Tensor, target: Tensor) -> float:
    """Over all of two tensors of one shape, -1..1, in dB; infinite where they are equal.

    The two lines of it spare 5 s of importing torchmetrics, whose value is the same to 1e-5 dB.
    """
    error = float((frames - target).square().mean())
    return 10 * math.log10(2**2 / error) if error > 0 else math.inf  # from -1 to 1 is 2


def ssim(frames: Tensor, target: Tensor) -> float:
    """Mean structural similarity of [N, C, H, W] -1..1, sides of 11 px or more (Wang et al., IEEE TIP 2004).

    Where whole windows fit, as scikit-image counts it; torchmetrics' counts a mirrored border too, which moves it by up
    to 0.03, and takes 7 times as long in float64, in which alone flat pictures come out right to 1e-6.
    """
    offsets = torch.arange(-SSIM_RADIUS_PX, SSIM_RADIUS_PX + 1, dtype=torch.float64)
    window = torch.exp(-offsets.square() / (2 * SSIM_SIGMA_PX**2))
    window = (window / window.sum()).to(frames.device)

    def blur(x: Tensor) -> Tensor:
        return F.conv2d(F.conv2d(x, window.view(1, 1, 1, -1)), window.view(1, 1, -1, 1))

    x, y = ((part.double().flatten(0, 1)[:, None] + 1) / 2 for part in (frames, target))
    mean_x, mean_y = blur(x), blur(y)
    variance_x, variance_y = blur(x * x) - mean_x**2, blur(y * y) - mean_y**2
    covariance = blur(x * y) - mean_x * mean_y
    light = (2 * mean_x * mean_y + SSIM_C1) / (mean_x**2 + mean_y**2 + SSIM_C1)
    return float((light * (2 * covariance + SSIM_C2) / (variance_x + variance_y + SSIM_C2)).mean())
