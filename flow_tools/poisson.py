"""Poisson's equation over the hole of a picture: conjugate gradients, preconditioned with a multigrid cycle.

Trottenberg, Oosterlee & Schüller, Multigrid (2001). A few steps do, however large the hole is.
"""

from collections.abc import Callable

import cv2
import numpy as np
from scipy.sparse.linalg import LinearOperator, cg

TOLERANCE = 1e-8
DAMPED = 0.8  # of a step of Jacobi's
COARSEST = 8  # such steps where no coarser grid is left
MARGIN = 2  # cells about a grid that are 0
CROSS = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], np.float64)
SPREAD = np.array([1, 3, 3, 1], np.float32) / 4  # what a cell gives to the finer ones, as cv2.resize does
MOST = 1000  # steps; a hole takes 10 to 20


class _Grid:
    """A hole, float32 [H, W] with a margin, and how many neighbours in the picture its cells have."""

    def __init__(self, hole: np.ndarray, inside: np.ndarray) -> None:
        """bool [H, W]: the hole, and what lies in the picture."""
        self.hole = hole.astype(np.float32)
        self.count = self.hole * _beside(inside.astype(np.float32))
        self.step = DAMPED * self.hole / np.maximum(self.count, 1)

    def left(self, right: np.ndarray, u: np.ndarray) -> np.ndarray:
        """What is left of the right side."""
        return self.hole * (right - self.count * u + _beside(u))


def solve(hole: np.ndarray, right: np.ndarray, report: Callable[[float], None]) -> np.ndarray:
    """u [C, n] for the n pixels of hole [H, W] in the order of nonzero, with right [C, n].

    How many neighbours a pixel has in the picture, times u, less the u of those that lie in the hole, is `right`.
    report: told in every step which share of the channels is done; what it raises ends it.
    """
    rows, columns = np.nonzero(hole)
    top, left = max(rows.min() - 1, 0), max(columns.min() - 1, 0)
    hole = hole[top : rows.max() + 2, left : columns.max() + 2]
    grids = _grids(hole)
    at = rows - top + MARGIN, columns - left + MARGIN

    def image(values: np.ndarray, kind: type) -> np.ndarray:
        grid = np.zeros(grids[0].hole.shape, kind)
        grid[at] = values
        return grid

    def apply(u: np.ndarray) -> np.ndarray:
        return grids[0].count[at] * u - _beside(image(u, np.float64))[at]

    def cycle(values: np.ndarray) -> np.ndarray:
        return _cycle(grids, image(values, np.float32))[at].astype(np.float64)

    size = (len(rows), len(rows))
    matrix, nearly, solved = LinearOperator(size, apply), LinearOperator(size, cycle), []
    for k, own in enumerate(right):
        done = k / len(right)
        solution, _ = cg(
            matrix, own, rtol=TOLERANCE, maxiter=MOST, M=nearly, callback=lambda _, done=done: report(done)
        )
        solved.append(solution)
    return np.stack(solved)


def _grids(hole: np.ndarray) -> list[_Grid]:
    """From the hole's own to half its size, and so on, while a cell lies in it whole."""
    inside, hole = np.pad(np.ones_like(hole), MARGIN), np.pad(hole, MARGIN)
    grids = []
    while hole.any():
        grids.append(_Grid(hole, inside))
        holes, insides = ([_even(x)[down::2, right::2] for down in (0, 1) for right in (0, 1)] for x in (hole, inside))
        inside = np.any(insides, axis=0)
        hole = inside & np.all([own | ~there for own, there in zip(holes, insides, strict=True)], axis=0)
    return grids


def _cycle(grids: list[_Grid], right: np.ndarray) -> np.ndarray:
    """Nearly the solution on the first grid, for its right side: the same linear, symmetric map for any."""
    grid, coarser = grids[0], grids[1:]
    u = grid.step * right
    for _ in range(1 if coarser else COARSEST):
        u += grid.step * grid.left(right, u)
    if coarser:
        spread = cv2.sepFilter2D(_even(grid.left(right, u)), -1, SPREAD, SPREAD, anchor=(1, 1))
        large = cv2.resize(_cycle(coarser, spread[::2, ::2]), None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR)
        u += grid.hole * large[MARGIN : MARGIN + u.shape[0], MARGIN : MARGIN + u.shape[1]]
        for _ in range(2):
            u += grid.step * grid.left(right, u)
    return u


def _even(x: np.ndarray) -> np.ndarray:
    """With a margin more, and an even number of rows and columns."""
    return np.pad(x, [(MARGIN, MARGIN + side % 2) for side in x.shape])


def _beside(u: np.ndarray) -> np.ndarray:
    """The sum of the four neighbours."""
    return cv2.filter2D(u, -1, CROSS.astype(u.dtype), borderType=cv2.BORDER_CONSTANT)
