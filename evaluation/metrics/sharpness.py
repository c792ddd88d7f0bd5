"""How sharp a place is."""

import math

from torch import Tensor

from .frame_change import LEVELS


def sharpness(frames: Tensor, where: Tensor) -> float:
    """Root mean square of the gradient of frames [L, C, H, W] -1..1 `where`, in grey levels of 255 per px; NaN: none.

    where: bool [1, H, W] or [L, 1, H, W]. A pixel's gradient goes to the one on its right and the one below.
    """
    inside = where.expand(len(frames), -1, -1, -1)[:, 0, :-1, :-1]
    if not inside.any():
        return math.nan
    across, down = frames.diff(dim=-1)[..., :-1, :], frames.diff(dim=-2)[..., :-1]
    squared = (across.square() + down.square()).mean(dim=1)
    return math.sqrt(float(squared[inside].mean())) * LEVELS
