"""A film's own camera, taken out of its flow."""

import cv2
import numpy as np
import torch
from torch import Tensor

SPACING_PX = 8  # of the points, at a side of 256 px
INLIER_PX = 0.5  # px/frame at a side of 256 px: what is farther from the camera's own motion moves by itself


def without_camera(flow: Tensor) -> Tensor:
    """flow [2, H, W] px/frame less the affine motion that most of it shares (RANSAC, the same each time)."""
    height, width = flow.shape[-2:]
    unit = max(height, width) / 256
    step = max(1, round(SPACING_PX * unit))
    y, x = np.mgrid[step // 2 : height : step, step // 2 : width : step]
    points = np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float64)
    moved = points + flow[:, y.ravel(), x.ravel()].T.double().numpy(force=True)
    cv2.setRNGSeed(0)  # of this thread
    camera, _ = cv2.estimateAffine2D(points, moved, ransacReprojThreshold=INLIER_PX * unit, maxIters=500)
    if camera is None:
        raise ValueError(f"flow: got {list(flow.shape)} without a motion that a part of it shares")
    down, across = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    (a, b, right), (c, d, below) = camera - np.eye(2, 3)
    own = torch.stack([a * across + b * down + right, c * across + d * down + below])
    return flow - own.to(flow)
