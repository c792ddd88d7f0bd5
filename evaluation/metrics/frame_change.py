"""How much a frame differs from the next."""

from torch import Tensor

LEVELS = 127.5  # grey levels of 255 in 1 of -1..1


def frame_change(frames: Tensor) -> float:
    """Mean |difference| of neighbouring frames [L, 3, H, W], in grey levels of 255."""
    return float(frames.diff(dim=0).abs().mean()) * LEVELS
