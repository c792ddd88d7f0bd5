"""How far along its arrow something is at a frame."""

import math

import numpy as np

from .arrows import EASE, SWAY


def progress(timing: str, times: np.ndarray, frames: int) -> np.ndarray:
    """[m] shares of the way at `times` [m], in frames from the first of a segment of `frames`.

    steady: even, 1 at the last frame, and on beyond it. ease: slow at both ends (smoothstep), and stays there.
    sway: there and back, (1 - cos)/2, with `frames` as its period: frame `frames` would be frame 0 again.
    """
    if timing == SWAY:
        return (1 - np.cos(2 * math.pi * times / frames)) / 2
    share = times / (frames - 1)
    if timing == EASE:
        share = share.clip(0, 1)
        return share * share * (3 - 2 * share)
    return share
