"""Whether a long video shows the same frames again."""

import torch
from torch import Tensor

from .join_jump import neighbour_changes


def repetition(frames: Tensor, first: int) -> tuple[float, float]:
    """Least, and median, distance of the frames from `first` on to their nearest earlier frame, over the median change.

    0 is a copy of an earlier frame. Neighbours count, so that 1 is about the most. NaN where nothing moves or follows.
    """
    usual = neighbour_changes(frames).median()
    nearest = [(frames[t] - frames[:t]).abs().flatten(1).mean(dim=1).min() for t in range(first, len(frames))]
    if not nearest:
        return float("nan"), float("nan")
    fractions = torch.stack(nearest) / usual
    return float(fractions.min()), float(fractions.median())
