"""Where a thing is, how large and how long, by the moments of its alpha."""

from dataclasses import dataclass

import numpy as np
from torch import Tensor


@dataclass(frozen=True)
class Shape:
    area_px: float  # square px
    middle: np.ndarray  # [2] px, pixel i spans i..i + 1
    axis_ratio: float  # longer over shorter axis of the ellipse with the same second moments


def shape_of(alpha: Tensor) -> Shape:
    """Of alpha [1, H, W] 0..1; NaN where there is none."""
    weight = alpha[0].double().numpy()
    area = float(weight.sum())
    if area < 1:
        return Shape(area, np.full(2, np.nan), float("nan"))
    y, x = np.mgrid[: weight.shape[0], : weight.shape[1]] + 0.5
    points = np.stack([x.ravel(), y.ravel()])
    shares = weight.ravel() / area
    middle = points @ shares
    apart = points - middle[:, None]
    spread = np.linalg.eigvalsh((apart * shares) @ apart.T + np.eye(2) / 12)  # of the pixels themselves
    return Shape(area, middle, float(np.sqrt(spread[1] / spread[0])))


def reach(start: Shape, end: Shape, vector: np.ndarray) -> float:
    """How far along vector [2] px, where it should have come, a thing has come: 1 is there."""
    return float((end.middle - start.middle) @ vector / (vector @ vector))
