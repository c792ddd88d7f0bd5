"""Smooth noise as a sum of plane waves, drawn from a seed: the same on every machine and at every size."""

import math

import numpy as np
import torch
from torch import Tensor

WAVES = 32
BAND = (0.55, 1.45)  # of the wave number asked for
GOLDEN = (math.sqrt(5) - 1) / 2  # spreads directions evenly, however many there are


def drawn(seed: int, count: int) -> np.ndarray:
    """[count] numbers between 0 and 1, float64, of a seed of 0 to 2^64 - 1."""
    start = _mixed(_mixed(np.array([seed & 0xFFFFFFFF], np.uint32)) ^ np.uint32(seed >> 32 & 0xFFFFFFFF))
    return (_mixed(start + np.arange(count, dtype=np.uint32)) + 0.5) / 2**32


def _mixed(x: np.ndarray) -> np.ndarray:
    """Of uint32: a bijection whose output looks random (Wellons' lowbias32)."""
    x = (x ^ (x >> np.uint32(16))) * np.uint32(0x7FEB352D)
    x = (x ^ (x >> np.uint32(15))) * np.uint32(0x846CA68B)
    return x ^ (x >> np.uint32(16))


def turns(wave: np.ndarray, cycles: int) -> np.ndarray:
    """How often each wave comes again in a segment: half of them `cycles` times, the others once more or less often."""
    return np.maximum(cycles + np.array([0, 1, 0, -1])[wave % 4], 1)


def summed(x: np.ndarray, y: np.ndarray, phase: np.ndarray, weight: np.ndarray, height: int, width: int) -> Tensor:
    """The sum of weight · cos(x X + y Y + phase) over waves [J], phase [T, J] → float32 [T, H, W].

    X and Y are the middles of the pixels in shares of the longer side.
    """
    side = max(height, width)
    across = np.outer(x, (np.arange(width) + 0.5) / side)  # [J, W]
    down = np.outer((np.arange(height) + 0.5) / side, y)  # [H, J]
    along = torch.from_numpy(np.concatenate([np.cos(across), np.sin(across)]))
    fields = []
    for shift in phase:
        rows = np.concatenate([weight * np.cos(down + shift), -weight * np.sin(down + shift)], axis=1)
        fields.append((torch.from_numpy(rows) @ along).float())
    return torch.stack(fields)
