"""Enliven: what its widgets mean, and what it refuses."""

import pytest
import torch

from driftfield.flow_tools.living import CALM_WATER, CLOUDS, LEAVES
from driftfield.flow_tools.motion import Motion


@pytest.fixture
def enliven(comfy_base):
    from driftfield.nodes.enliven import Enliven

    return lambda *values: Enliven.execute(*values)[0]


REGION = torch.ones(1, 12, 16)


def test_a_region_alone_is_a_flow_that_stands_still_and_lives(enliven):
    motion = enliven(REGION, CALM_WATER, -1.0, 7)
    assert motion.field.shape == (1, 2, 12, 16) and not motion.field.any() and motion.frames is None
    (living,) = motion.living
    assert (living.kind, living.seed, living.amplitude, living.size) == (CALM_WATER, 7, None, None)
    assert motion.flow().shape == (24, 2, 12, 16) and motion.flow().any()


def test_several_follow_each_other(enliven):
    given = Motion(torch.ones(1, 2, 24, 32), 14, notes=("said",))
    motion = enliven(REGION, CLOUDS, 0.0, 1, given, 0.2, 14.0, 7.0)
    motion = enliven(REGION, CALM_WATER, 1.0, 2, motion)
    assert motion.field is given.field and motion.notes == ("said",) and motion.frames == 14
    assert [each.kind for each in motion.living] == [CLOUDS, CALM_WATER]
    first = motion.living[0]
    assert (first.amplitude, first.size, first.period, first.reset) == (0.0, 0.2, 14.0, 7.0)


def test_an_empty_region_is_said(enliven):
    assert any("the region is empty" in note for note in enliven(REGION * 0, CLOUDS, -1.0, 0).notes)


@pytest.mark.parametrize("kind", [CALM_WATER, LEAVES])
@pytest.mark.parametrize("height, value, lives", [(64, 0.3, False), (1, 1.0, False), (8, 1.0, True), (64, 1.0, True)])
def test_a_region_in_which_nothing_lives_is_said(enliven, kind, height, value, lives):
    region = torch.zeros(1, 128, 128)
    region[:, 64 : 64 + height] = value
    motion = enliven(region, kind, -1.0, 0)
    assert any("grey or a thin line" in note for note in motion.notes) != lives
    assert bool(motion.flow().abs().max() > 1e-3) == lives


@pytest.mark.parametrize(
    "values, message",
    [
        ((REGION, "lava", -1.0, 0), "kind: got 'lava', allowed running water"),
        ((REGION, CLOUDS, float("nan"), 0), "amplitude: got nan"),
        ((REGION, CLOUDS, -0.5, 0), r"amplitude: got -0.5, allowed -1 \(as usual for the kind\), or 0..16"),
        ((REGION, CLOUDS, 16.1, 0), "amplitude: got 16.1"),
        ((REGION, CLOUDS, -1.0, 0, None, -0.1), r"size: got -0.1, allowed 0 \(as usual for the kind\), or 0.01..1"),
        ((REGION, CLOUDS, -1.0, 0, None, 0.1, float("nan")), "period: got nan, allowed 0 .*, or 0.5..1024"),
        ((REGION, CLOUDS, -1.0, 0, None, 0.1, 25.0, 0.001), "reset: got 0.001, allowed 0 .*, or 0.5..1024"),
        ((torch.ones(2, 4, 4), CLOUDS, -1.0, 0), "region: got a batch of 2 masks"),
        ((REGION, CLOUDS, -1.0, 0, torch.ones(3)), "flow: got"),
    ],
)
def test_what_it_cannot_take_is_refused_by_name(enliven, values, message):
    with pytest.raises(ValueError, match=message):
        enliven(*values)
