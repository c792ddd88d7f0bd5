"""Arrows -> sparse flow (eq. 5)."""

import math

import numpy as np
import torch
from torch import Tensor

from .arrows import STEADY, Arrow, MotionArrows, along_path, path_length, path_px
from .timing import progress

SAMPLE_SPACING_PX = 0.5  # along a curved arrow; at most one pixel is skipped at a corner


def sparse_flow(arrows: MotionArrows, *, height: int, width: int, frames: int) -> tuple[Tensor, Tensor]:
    """Flow [N, 2, H, W] px/frame on an HxW grid, and its hint mask [1, 1, H, W], > 0 where an arrow says something.

    - Two points: (head - tail) * strength / (frames - 1), stamped at the tail's pixel (eq. 5).
    - More points: at every pixel of the path its tangent, with the path's length as the distance travelled (ours).
    - One point, a pin: zero flow with the mask set (ours).
    The mask is a hint's weight: 1, or 1/n for each of the n pixels of a curved arrow, which else would outvote its
    straight neighbours n to 1. Where two hints fall on one pixel the later wins. No arrows give exact zeros.
    N = 1, a flow for every step, where all arrows are steady; else frames - 1, each arrow at its own pace (ours).
    ValueError, with the arrow's name, where one moves more than the diagonal of the grid from frame to frame.
    """
    for name, value, least in (("height", height, 1), ("width", width, 1), ("frames", frames, 2)):
        if value < least:
            raise ValueError(f"{name}: got {value}, allowed {least} or more")
    steady = all(arrow.timing == STEADY for arrow in arrows.arrows)
    flow = np.zeros((1 if steady else frames - 1, 2, height, width), dtype=np.float32)
    hints = np.zeros((1, height, width), dtype=np.float32)
    for arrow in arrows.arrows:
        path, speeds = checked_speed(arrow, height=height, width=width, frames=frames)
        pace = speeds[: len(flow)]
        length = path_length(path)
        samples = int(length / SAMPLE_SPACING_PX) + 2 if len(path) > 2 else 1
        distances = np.linspace(0, length, samples)
        positions, tangents = along_path(path, distances)
        column, row = _pixel(positions[:, 0], width), _pixel(positions[:, 1], height)
        flow[:, :, row, column] = pace[:, None, None] * tangents.T  # eq. 5
        hints[:, row, column] = 1 / len(np.unique(row * width + column))
    return torch.from_numpy(flow), torch.from_numpy(hints)[None]


def checked_speed(arrow: Arrow, *, height: int, width: int, frames: int) -> tuple[np.ndarray, np.ndarray]:
    """The arrow's path in px, and its speed in each of the frames - 1 steps, px/frame.

    ValueError, with its name, where it moves more than the diagonal from frame to frame.
    """
    path = path_px(arrow.points, width=width, height=height)
    speed = path_length(path) * arrow.strength / (frames - 1)
    speeds = np.full(frames - 1, speed)
    if arrow.timing != STEADY:
        speeds *= np.diff(progress(arrow.timing, np.arange(frames), frames)) * (frames - 1)
    fastest, diagonal = np.abs(speeds).max(), math.hypot(height, width)
    if not fastest <= diagonal * (1 + 1e-6):  # an arrow along the diagonal, in floats
        raise ValueError(
            f"arrow {arrow.id}: moves {fastest:.0f} px a frame, allowed at most the diagonal, {diagonal:.0f} px; "
            f"make the arrow or its strength ({arrow.strength:g}) smaller, or frames ({frames}) more"
        )
    return path, speeds


def _pixel(position: np.ndarray, size: int) -> np.ndarray:
    # A coordinate that was 29 px comes back from 0..1 as 28.999999999999996.
    return np.clip(np.floor(position + 1e-6), 0, size - 1).astype(np.int64)
