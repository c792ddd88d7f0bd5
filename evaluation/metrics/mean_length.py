"""Mean length of a flow in a part of the picture."""

import torch
from torch import Tensor


def mean_length(flow: Tensor, where: Tensor) -> float:
    """Mean |flow| of [N, 2, H, W] over all N at the pixels of the bool [H, W], px/frame; NaN where it has none."""
    return float(torch.hypot(*flow.unbind(1))[:, where].mean())
