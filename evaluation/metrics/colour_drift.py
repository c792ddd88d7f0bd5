"""How far colours leave those of the first frame."""

from torch import Tensor

from .frame_change import LEVELS


def colour_drift(frames: Tensor) -> float:
    """The largest difference of a frame's mean R, G or B from frame 0's, of [L, 3, H, W], in grey levels of 255."""
    means = frames.mean(dim=(2, 3))
    return float((means - means[0]).abs().max()) * LEVELS
