"""What a picture shows where a thing has left, against the background that is known."""

import cv2
import numpy as np
import torch
from torch import Tensor

from .psnr import psnr_in


def uncovered_gain(frame: Tensor, still: Tensor, background: Tensor, hole: Tensor, where: Tensor) -> float:
    """PSNR `where` a thing has left, in dB above that of the nearest pixels of the still beside the hole.

    frame, still, background [1, 3, H, W] -1..1; hole, where: bool [1, H, W].
    """
    filled = nearest(still, hole)
    return psnr_in(frame, background, where) - psnr_in(filled, background, where)


def nearest(still: Tensor, hole: Tensor) -> Tensor:
    """still [1, 3, H, W] with the pixels of hole, bool [1, H, W], those of the nearest one outside of it."""
    inside = hole[0].numpy().astype(np.uint8)
    labels = cv2.distanceTransformWithLabels(inside, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)[1].ravel()
    outside = np.flatnonzero(inside.ravel() == 0)
    source = np.zeros(labels.max() + 1, np.int64)
    source[labels[outside]] = outside
    return still.flatten(2)[..., torch.from_numpy(source[labels])].view_as(still)
