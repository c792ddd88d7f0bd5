"""Whether a fade of a long video blurs."""

import torch
from torch import Tensor


def sharpness_in_joins(frames: Tensor, joins: Tensor) -> float:
    """Mean size of the gradient of frames between two joins (of a fade, or a turn) over the median of the others.

    joins: bool [N - 1]. NaN where there is none of either.
    """
    inside = torch.cat([joins.new_zeros(1), joins[1:] & joins[:-1], joins.new_zeros(1)])
    if inside.all() or not inside.any():
        return float("nan")
    gradient = torch.stack([f.diff(dim=-1).square().mean() + f.diff(dim=-2).square().mean() for f in frames]).sqrt()
    return float(gradient[inside].mean() / gradient[~inside].median())
