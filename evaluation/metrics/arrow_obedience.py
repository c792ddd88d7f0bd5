"""How motion obeys the arrows: direction and length under each, and what moves where nothing is meant to."""

import math
import statistics

import numpy as np
import torch
from torch import Tensor

from ...flow_tools.arrows import Arrow, MotionArrows, path_px
from .mean_length import mean_length

RADIUS_PX = 8  # around an arrow's line, at 256 px


def under_arrow(arrow: Arrow, *, height: int, width: int, radius_px: float) -> Tensor:
    """Pixels at most radius_px from the arrow's line (a pin's point): bool [H, W]."""
    path = path_px(arrow.points, width=width, height=height)
    pixels = np.stack(np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5), axis=-1)
    near = np.zeros((height, width), dtype=bool)
    for start, end in zip(path, path[1:] if len(path) > 1 else path, strict=False):
        line = end - start
        fraction = np.clip((pixels - start) @ line / max(line @ line, 1e-12), 0, 1)
        near |= np.linalg.norm(pixels - start - fraction[..., None] * line, axis=-1) <= radius_px
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


def control_figures(motion: Tensor, arrows: MotionArrows, outside: Tensor, *, frames: int) -> dict:
    """How motion [N, 2, H, W] px/frame obeys, and moves `outside`, bool [H, W], where nothing is meant to.

    cosine and error (relative): of its mean over N and the area under an arrow, mean of the arrows. Mean lengths,
    px/frame: outside_px, pin_px under the pins, mean_px everywhere, drift_px of the mean over N, without what
    trembles. None where there is no such area.
    """
    height, width = motion.shape[-2:]
    everywhere = torch.ones(height, width, dtype=torch.bool)
    cosines, errors, pins = [], [], []
    for arrow in arrows.arrows:
        area = under_arrow(arrow, height=height, width=width, radius_px=RADIUS_PX * max(height, width) / 256)
        commanded = commanded_velocity(arrow, height=height, width=width, frames=frames)
        if commanded.norm() > 0:
            measured = motion[..., area].mean(dim=(0, 2))
            cosines.append(cosine(measured, commanded))
            errors.append(relative_error(measured, commanded))
        else:
            pins.append(mean_length(motion, area))
    outside_px = mean_length(motion, outside)
    return {
        "cosine": statistics.fmean(cosines) if cosines else None,
        "error": statistics.fmean(errors) if errors else None,
        "outside_px": None if math.isnan(outside_px) else outside_px,
        "pin_px": statistics.fmean(pins) if pins else None,
        "mean_px": mean_length(motion, everywhere),
        "drift_px": mean_length(motion.mean(0, keepdim=True), everywhere),
    }


def cosine_under_arrows(motion: Tensor, arrows: MotionArrows, segment: int) -> float:
    """Of the mean motion [N, 2, H, W] within 8 px (at 256 px) of each arrow with what it asks for, on average."""
    height, width = motion.shape[-2:]
    found = []
    for arrow in arrows.arrows:
        area = under_arrow(arrow, height=height, width=width, radius_px=RADIUS_PX * max(height, width) / 256)
        asked = commanded_velocity(arrow, height=height, width=width, frames=segment)
        found.append(cosine(motion[..., area].mean(dim=(0, 2)), asked))
    return statistics.fmean(found)
