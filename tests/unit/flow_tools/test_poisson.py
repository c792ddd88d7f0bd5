"""Poisson's equation over holes, against the same solved at once."""

import numpy as np
import pytest
from scipy.sparse import coo_matrix
from scipy.sparse.linalg import spsolve

from driftfield.flow_tools.poisson import solve

X, Y = np.meshgrid(np.arange(90), np.arange(70))
HOLES = {
    "one pixel": (X == 40) & (Y == 30),
    "square": (abs(X - 40) < 20) & (abs(Y - 30) < 20),
    "to three borders": X > 20,
    "ring": abs(np.hypot(X - 45, Y - 35) - 22) < 8,
    "narrow": (X // 3 + Y // 4) % 3 == 0,
    "apart": (abs(X % 45 - 20) < 12) & (abs(Y % 35 - 17) < 9),
    "all but one pixel": (X != 11) | (Y != 60),
}


def at_once(hole, right):
    index = np.full(hole.shape, -1)
    index[hole] = np.arange(hole.sum())
    rows, columns = np.nonzero(hole)
    entries = []
    for y, x in ((rows + down, columns + across) for down, across in ((0, 1), (0, -1), (1, 0), (-1, 0))):
        there = (y >= 0) & (y < hole.shape[0]) & (x >= 0) & (x < hole.shape[1])
        own, other = np.flatnonzero(there), index[y[there], x[there]]
        entries += [(own, own, np.ones(len(own))), (own[other >= 0], other[other >= 0], -np.ones((other >= 0).sum()))]
    here, there, weights = (np.concatenate(part) for part in zip(*entries, strict=True))
    return spsolve(coo_matrix((weights, (here, there))).tocsc(), right.T).T.reshape(right.shape)


@pytest.mark.parametrize("name", HOLES)
def test_it_is_solved_in_few_steps(name):
    right = np.random.default_rng(0).standard_normal((3, HOLES[name].sum()))
    steps = []
    found, exact = solve(HOLES[name], right, steps.append), at_once(HOLES[name], right)
    assert abs(found - exact).max() < 1e-5 * abs(exact).max()
    assert set(steps) == {0, 1 / 3, 2 / 3} and len(steps) <= 3 * 30


def test_a_hole_of_any_size_takes_about_as_many_steps():
    counts = []
    for side in (30, 400):
        hole, steps = np.zeros((side + 20, side + 30), bool), []
        hole[10:-10, 10:-20] = True
        solve(hole, np.ones((1, hole.sum())), steps.append)
        counts.append(len(steps))
    assert counts[1] < 2 * counts[0]
