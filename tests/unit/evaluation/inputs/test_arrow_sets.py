"""Arrows on textured places: deterministic, inside with their mirror images, of the lengths and distances stated."""

import math

import numpy as np
import pytest
import torch

from driftfield.evaluation.inputs.arrow_sets import (
    APART,
    FAR,
    LENGTHS,
    MARGIN,
    arrow_sets,
    negated,
    region_around,
    textured_positions,
)
from driftfield.flow_tools.arrows import Arrow, MotionArrows


@pytest.fixture(scope="module")
def picture():
    blocks = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    return blocks.repeat_interleave(12, 2).repeat_interleave(12, 3) * 2 - 1


@pytest.fixture(params=["a", "b", "c"])
def sets(request, picture):
    return arrow_sets(picture, request.param)


def ends(arrows):
    return [np.array(arrow.points) for arrow in arrows.arrows]


def test_the_name_decides(picture):
    assert arrow_sets(picture, "a") == arrow_sets(picture, "a") != arrow_sets(picture, "b")


def test_lengths_and_places(sets, picture):
    positions = textured_positions(picture)
    for arrows in (*sets.values(), *map(negated, sets.values())):
        for points in ends(arrows):
            assert (points >= MARGIN - 1e-9).all() and (points <= 1 - MARGIN + 1e-9).all()
            assert np.abs(positions - points[0]).max(axis=1).min() < 1e-9
            if len(points) == 2:
                assert LENGTHS[0] <= np.linalg.norm(points[1] - points[0]) <= LENGTHS[1]


def test_two_equal_arrows_apart_and_a_far_pin(sets):
    assert [len(points) for points in ends(sets["one"])] == [2]
    first, second = ends(sets["two"])
    np.testing.assert_allclose(first[1] - first[0], second[1] - second[0])
    assert np.linalg.norm(first[0] - second[0]) >= APART
    arrow, pin = ends(sets["pin"])
    assert len(arrow) == 2 and len(pin) == 1 and np.linalg.norm(arrow[0] - pin[0]) >= FAR


def test_negated_is_mirrored_about_the_tail(sets):
    for arrows in sets.values():
        for points, turned in zip(ends(arrows), ends(negated(arrows)), strict=True):
            np.testing.assert_allclose(turned[0], points[0])
            np.testing.assert_allclose(turned[-1] - turned[0], -(points[-1] - points[0]), atol=1e-12)


def test_a_flat_picture_is_refused():
    with pytest.raises(ValueError, match="picture blank: 0 places with texture"):
        arrow_sets(torch.zeros(1, 3, 64, 64), "blank")


def test_a_region_holds_its_arrow_and_the_negated_one():
    arrow = Arrow("a1", ((0.5, 0.4), (0.65, 0.4)))
    region = region_around(arrow, height=100, width=200)
    assert region.shape == (1, 1, 100, 200) and set(region.unique().tolist()) == {0, 1}
    assert float(region.sum()) == pytest.approx(math.pi * (30 + 16) ** 2, rel=0.1)  # 0.15 * 200 long, 0.08 * 200 more
    assert region[0, 0, 40, 130] == region[0, 0, 40, 70] == 1 and region[0, 0, 40, 150] == 0
    (opposite,) = negated(MotionArrows((arrow,), 200, 100)).arrows
    assert torch.equal(region, region_around(opposite, height=100, width=200))
