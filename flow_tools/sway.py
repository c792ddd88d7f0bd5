"""Leaves and grass in the wind: a displacement that comes and goes, in gusts that travel."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .waves import BAND, WAVES, drawn, summed, turns

STALK = 0.4  # of the longer side: how far along a stalk the motion is one
ROOT = 0.2  # of the longer side: how far above its root a stalk sways freely
LEAN = (1.0, 0.15)  # mostly across


def sway(height: int, width: int, frames: int, *, amplitude: float, size: float, cycles: int, seed: int) -> Tensor:
    """[frames, 2, H, W] px by which what is at p has been moved; zero in frame 0, and frame `frames` would be frame 0.

    amplitude: px, root mean square. size: how far across the motion is one, in shares of the longer side. cycles: how
    often it comes and goes in a segment, about.
    """
    length, tilt, shift, wind = drawn(seed, 4 * WAVES).reshape(4, WAVES)
    x = math.pi / size * (BAND[0] + (BAND[1] - BAND[0]) * length)
    y = math.pi / STALK * (2 * tilt - 1)
    step = 2 * math.pi / frames * turns(np.arange(WAVES), cycles) * (-1 if wind[0] < 0.5 else 1)
    phase = 2 * math.pi * shift + step * np.arange(frames)[:, None]
    moved = summed(x, y, phase, np.full(WAVES, amplitude / math.sqrt(WAVES)), height, width)
    lean = torch.tensor(LEAN) / math.hypot(*LEAN)
    return (moved - moved[:1])[:, None] * lean.view(1, 2, 1, 1)


def above_root(region: Tensor) -> Tensor:
    """[1, 1, H, W] 0..1: how freely what grows in the region [1, 1, H, W] sways, 0 at its lower edge.

    Where the region goes on below the picture, the root is not seen.
    """
    height, width = region.shape[-2:]
    reach = max(round(ROOT * max(height, width)), 1)
    below = F.pad(region.double(), (0, 0, 0, reach), mode="replicate").cumsum(-2)
    return ((below[..., reach:, :] - below[..., :height, :]) / reach).float()
