"""Intersection over union."""

from torch import Tensor


def iou(alpha: Tensor, other: Tensor) -> float:
    """Of what is over a half in each; 1 where nothing is in either."""
    a, b = alpha > 0.5, other > 0.5
    union = int((a | b).sum())
    return int((a & b).sum()) / union if union else 1.0
