"""What a network's optical flow has too much of: speckle and the grid of its strides."""

import cv2
import numpy as np
import torch
from torch import Tensor

from .convention import check_flow

MEDIAN_PX, MEDIAN_TIMES = 5, 3  # median filtering, as estimators of flow do it (Sun, Roth & Black 2010)
SIGMA_PX = 2.0


def smooth(flow: Tensor) -> Tensor:
    """flow [N, 2, H, W] px/frame without speckle: medians, which keep its edges, then a narrow Gaussian."""
    check_flow(flow, "flow")
    fields = flow.numpy(force=True).astype(np.float32).reshape(-1, *flow.shape[-2:])
    done = []
    for field in fields:
        for _ in range(MEDIAN_TIMES):
            field = cv2.medianBlur(field, MEDIAN_PX)
        done.append(cv2.GaussianBlur(field, (0, 0), SIGMA_PX, borderType=cv2.BORDER_REPLICATE))
    return torch.from_numpy(np.stack(done)).view(flow.shape).to(flow)
