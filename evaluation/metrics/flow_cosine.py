"""Whether things move in the direction that the flow asks for."""

import torch
from torch import Tensor

RESTING_PX = 0.1  # px/frame; where the flow asks for less, nothing is meant to move


def flow_cosine(flow: Tensor, asked: Tensor) -> float:
    """Cosine of the mean of flow [N, 2, H, W] and asked [1, 2, H, W], mean of the pixels that are asked to move."""
    moving = asked[0].norm(dim=0) > RESTING_PX
    mean, wanted = flow.mean(0)[:, moving], asked[0][:, moving]
    return float(torch.nn.functional.cosine_similarity(mean, wanted, dim=0).mean())
