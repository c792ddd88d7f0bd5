"""Eddies: a random flow that neither gathers nor scatters, of one size of eddy, that comes again after a segment."""

import math

import numpy as np
import torch
from torch import Tensor

from .waves import BAND, GOLDEN, WAVES, drawn, summed, turns


def curl_noise(
    height: int,
    width: int,
    frames: int,
    *,
    amplitude: float,
    size: float,
    cycles: int,
    seed: int,
    squeeze: float = 1.0,
    along: tuple[float, float] = (1.0, 0.0),
) -> Tensor:
    """[frames, 2, H, W] px/frame, the curl of a sum of plane waves; step t is step t + frames.

    amplitude: px/frame, root mean square. size: of an eddy along the direction (x, y), a unit vector, in shares of the
    longer side; across it so many times smaller as squeeze says. cycles: how often it comes and goes in a segment.
    """
    wave = np.arange(WAVES)
    start, length, shift, way = drawn(seed, 4 * WAVES).reshape(4, WAVES)
    angle = math.pi * ((wave * GOLDEN + start[0]) % 1)
    number = math.pi / size * (BAND[0] + (BAND[1] - BAND[0]) * length)
    ahead, aside = np.cos(angle), squeeze * np.sin(angle)
    x, y = along[0] * ahead - along[1] * aside, along[1] * ahead + along[0] * aside
    step = 2 * math.pi / frames * turns(wave, cycles) * np.where(way < 0.5, -1, 1)
    phase = 2 * math.pi * shift + step * np.arange(frames)[:, None]
    speed = amplitude * math.sqrt(2 / (x**2 + y**2).sum())
    parts = [summed(number * x, number * y, phase, part * speed, height, width) for part in (y, -x)]
    return torch.stack(parts, dim=1)
