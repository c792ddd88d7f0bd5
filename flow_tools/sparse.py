"""Arrows -> sparse flow (eq. 5), and the ways that they lead."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .arrows import STEADY, Arrow, MotionArrows, along_path, path_length, path_px
from .timing import progress

SAMPLE_SPACING_PX = 0.5  # along a curved arrow; at most one pixel is skipped at a corner
AS_A_PIN = 0.03  # of the longer side: so much of a way weighs as one pin does


@dataclass(frozen=True, eq=False)
class Way:
    """Where one arrow leads on an H x W grid, its tail first; of a pin the tail alone."""

    pixels: np.ndarray  # int64 [n]: row * W + column
    flow: np.ndarray  # float64 [N, 2, n] px/frame
    weights: np.ndarray  # [n]
    fastest: float  # px/frame, of all steps


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


def ways_of(arrows: MotionArrows, *, height: int, width: int, frames: int) -> tuple[Way, ...]:
    """The way of each arrow, to its head and, where its strength is more than 1, straight on as far as it goes (ours).

    At its tail an arrow has the velocity of `sparse_flow`; further on what leads to where the way is one frame later,
    so that a bend is not left. Errors and N as there.
    """
    steady = all(arrow.timing == STEADY for arrow in arrows.arrows)
    found = []
    for arrow in arrows.arrows:
        path, speeds = checked_speed(arrow, height=height, width=width, frames=frames)
        pace = speeds[: 1 if steady else None]
        length = path_length(path)
        beyond = min(length * max(arrow.strength - 1, 0), math.hypot(height, width))
        parts = [np.linspace(0, length, int(length / SAMPLE_SPACING_PX) + 2)] if length else [np.zeros(1)]
        if beyond:
            parts.append(length + np.linspace(0, beyond, int(beyond / SAMPLE_SPACING_PX) + 2)[1:])
        distances = np.concatenate(parts)
        positions, tangents = along_path(path, distances)
        inside = np.atleast_1d(((positions >= 0) & (positions <= (width, height))).all(axis=1))
        inside[0] = True
        flow = np.stack([along_path(path, distances + step)[0] - positions for step in pace])
        flow[:, 0] = pace[:, None] * tangents[0]  # eq. 5
        spacing = np.diff(distances, append=distances[-1]) / (AS_A_PIN * max(height, width))
        column, row = _pixel(positions[inside, 0], width), _pixel(positions[inside, 1], height)
        fastest = float(np.abs(speeds).max()) if length else 0.0
        found.append(Way(row * width + column, flow[:, inside].transpose(0, 2, 1), spacing[inside], fastest))
    return tuple(found)


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
