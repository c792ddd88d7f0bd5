"""How much a thing drags along what is beside it."""

import cv2
import numpy as np
from torch import Tensor

from .mean_length import mean_length

RING_PX = 1.0  # half as wide as the ring that is looked at


def drag(field: Tensor, alpha: Tensor, *, distance_px: float, speed_px: float) -> float:
    """Mean length of the motion [N, 2, H, W] px/frame at a distance from a thing, over the thing's own speed.

    alpha: [1, H, W] 0..1 of the thing where the motion begins.
    """
    outside = (alpha[0].numpy() <= 0.5).astype(np.uint8)
    distance = cv2.distanceTransform(outside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    ring = alpha.new_tensor(np.abs(distance - distance_px) <= RING_PX).bool()
    return mean_length(field, ring) / speed_px
