"""The jump of a long video where segments meet."""

import torch
from torch import Tensor


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
