"""Motion arrows: the frozen data, its geometry, and reading it from text, with every limit checked here once."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

VERSION = 1
MAX_ARROWS = 4096
MAX_BYTES = 1024 * 1024
MAX_DEPTH = 8

Point = tuple[float, float]


@dataclass(frozen=True)
class Arrow:
    """Points in 0..1 of the reference image, x right, y down, tail first. One point is a pin: "stay still here".

    At strength 1 what is at the tail reaches the head by the last frame; 2 is twice as far.
    """

    id: str
    points: tuple[Point, ...]
    strength: float = 1.0


@dataclass(frozen=True)
class MotionArrows:
    """Arrows on a reference image of width x height px; `notes` says what was changed on reading them."""

    arrows: tuple[Arrow, ...]
    width: int
    height: int
    notes: tuple[str, ...] = ()


def path_px(points: Iterable[Point], *, width: int, height: int) -> np.ndarray:
    """The points [n, 2] in px on a width x height grid, without repeated neighbours; a pin has n = 1."""
    path = np.asarray(tuple(points), dtype=np.float64) * (width, height)
    moved = np.any(path[1:] != path[:-1], axis=1)
    return path[np.concatenate([[True], moved])]


def path_length(path: np.ndarray) -> float:
    """Length in px of the polyline `path` [n, 2]."""
    return float(np.linalg.norm(np.diff(path, axis=0), axis=1).sum())


def along_path(path: np.ndarray, distances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions [m, 2] and unit tangents [m, 2] at `distances` [m] px along the polyline `path` [n, 2].

    Beyond its end the path goes straight on. At a corner the tangent is that of the segment that begins there. A single
    point has zero tangents.
    """
    if len(path) == 1:
        return np.repeat(path, len(distances), axis=0), np.zeros((len(distances), 2))
    segments = np.diff(path, axis=0)
    lengths = np.linalg.norm(segments, axis=1)
    starts = np.concatenate([[0.0], np.cumsum(lengths)[:-1]])
    index = np.clip(np.searchsorted(starts, distances, side="right") - 1, 0, len(segments) - 1)
    tangents = (segments / lengths[:, None])[index]
    return path[index] + tangents * (distances - starts[index])[:, None], tangents
