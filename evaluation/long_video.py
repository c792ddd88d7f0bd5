"""Figures of merit of long videos: pure functions of frames [N, 3, H, W] -1..1 and flow [N - 1, 2, H, W] px/frame."""

import torch
from torch import Tensor

from ..flow_tools.convention import REFERENCE_SIZE

RESTING_PX = 0.1  # px/frame; where the flow asks for less, nothing is meant to move


def neighbour_changes(frames: Tensor) -> Tensor:
    """[N - 1]: mean |difference| of each frame and the next."""
    return torch.stack([(a - b).abs().mean() for a, b in zip(frames, frames[1:], strict=False)])


def join_jump(changes: Tensor, joins: Tensor) -> tuple[float, float]:
    """Mean, and largest, change across joins over the median change elsewhere; changes [N - 1], joins bool [N - 1].

    NaN where there is no join, or nothing but joins.
    """
    usual = changes[~joins].median() if (~joins).any() else changes.new_tensor(torch.nan)
    across = changes[joins] / usual
    return (float(across.mean()), float(across.max())) if len(across) else (float("nan"), float("nan"))


def sharpness_in_joins(frames: Tensor, joins: Tensor) -> float:
    """Mean size of the gradient of frames between two joins (of a fade, or a turn) over the median of the others.

    joins: bool [N - 1]. NaN where there is none of either.
    """
    inside = torch.cat([joins.new_zeros(1), joins[1:] & joins[:-1], joins.new_zeros(1)])
    if inside.all() or not inside.any():
        return float("nan")
    gradient = torch.stack([f.diff(dim=-1).square().mean() + f.diff(dim=-2).square().mean() for f in frames]).sqrt()
    return float(gradient[inside].mean() / gradient[~inside].median())


def repetition(frames: Tensor, first: int) -> tuple[float, float]:
    """Least, and median, distance of the frames from `first` on to their nearest earlier frame, over the median change.

    0 is a copy of an earlier frame. Neighbours count, so that 1 is about the most. NaN where nothing moves or follows.
    """
    usual = neighbour_changes(frames).median()
    nearest = [(frames[t] - frames[:t]).abs().flatten(1).mean(dim=1).min() for t in range(first, len(frames))]
    if not nearest:
        return float("nan"), float("nan")
    shares = torch.stack(nearest) / usual
    return float(shares.min()), float(shares.median())


def dynamic_degree(flow: Tensor) -> float:
    """Mean length of the flow, px/frame at 512 px: how much moves at all."""
    return float(flow.norm(dim=1).mean()) * REFERENCE_SIZE / max(flow.shape[-2:])


def flow_cosine(flow: Tensor, asked: Tensor) -> float:
    """Cosine of the mean of flow [N, 2, H, W] and asked [1, 2, H, W], mean of the pixels that are asked to move."""
    moving = asked[0].norm(dim=0) > RESTING_PX
    mean, wanted = flow.mean(0)[:, moving], asked[0][:, moving]
    return float(torch.nn.functional.cosine_similarity(mean, wanted, dim=0).mean())
