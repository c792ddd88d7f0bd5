import numpy as np
import pytest

from driftfield.flow_tools import exemplar
from driftfield.flow_tools.exemplar import RADIUS, sources


def picture(height, width):
    return np.random.default_rng(0).random((height, width, 4), dtype=np.float32)


def hole_of(height, width, rows, columns):
    hole = np.zeros((height, width), bool)
    hole[rows, columns] = True
    return hole


@pytest.mark.parametrize("searched", [exemplar.SEARCHED, 1500])
@pytest.mark.parametrize(
    ("rows", "columns"), [(np.s_[20:50], np.s_[40:70]), (np.s_[:25], np.s_[80:]), (np.s_[30:], np.s_[:])]
)
def test_sources_are_known_and_so_is_all_about_them(rows, columns, searched, monkeypatch):
    monkeypatch.setattr(exemplar, "SEARCHED", searched)
    hole = hole_of(75, 113, rows, columns)
    y, x = sources(picture(75, 113), hole)
    assert len(y) == len(x) == hole.sum()
    for down in range(-RADIUS, RADIUS + 1):
        for right in range(-RADIUS, RADIUS + 1):
            assert (y + down >= 0).all() and (x + right >= 0).all() and not hole[y + down, x + right].any()


def test_a_repeated_part_is_found_where_it_is_repeated():
    part = picture(60, 60)
    whole = np.concatenate([part, part], axis=1)
    hole = hole_of(60, 120, np.s_[22:36], np.s_[24:38])
    guess = whole.copy()
    guess[hole] = guess[~hole].mean(0)
    y, x = sources(guess, hole)
    rows, columns = np.nonzero(hole)
    assert (y == rows).mean() > 0.9 and (x == columns + 60).mean() > 0.9


def test_too_little_to_copy_from():
    assert sources(picture(20, 20), hole_of(20, 20, np.s_[2:], np.s_[:])) is None
    assert sources(picture(6, 50), hole_of(6, 50, np.s_[2:4], np.s_[9:12])) is None


def test_the_nearest_is_exact_in_whatever_order_it_is_added():
    assert (exemplar.KNOWN * exemplar.GREY) ** 2 * (2 * RADIUS + 1) ** 2 * exemplar.CHANNELS < 2**24
    hole = hole_of(40, 50, np.s_[15:22], np.s_[20:30])
    level = exemplar._Level(picture(40, 50), hole, ~hole)
    found = exemplar._nearest(level, lambda share: None)
    middles = np.flatnonzero(level.valid)
    for target, weights, nearest in zip(level.targets, level.target_weights(), found, strict=True):
        own = level.patches(np.array([target])).astype(int)
        costs = np.square((own - level.patches(middles)) * weights).sum(1)
        assert costs.min() == costs[middles == nearest]
