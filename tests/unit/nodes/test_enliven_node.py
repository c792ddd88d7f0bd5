"""Enliven: what its widgets mean, and what it refuses."""

import pytest
import torch

from driftfield.flow_tools.living import CALM_WATER, CLOUDS
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


@pytest.mark.parametrize(
    "values, message",
    [
        ((REGION, "lava", -1.0, 0), "kind: got 'lava', allowed running water"),
        ((REGION, CLOUDS, float("nan"), 0), "amplitude: got nan"),
        ((torch.ones(2, 4, 4), CLOUDS, -1.0, 0), "region: got a batch of 2 masks"),
        ((REGION, CLOUDS, -1.0, 0, torch.ones(3)), "flow: got"),
    ],
)
def test_what_it_cannot_take_is_refused_by_name(enliven, values, message):
    with pytest.raises(ValueError, match=message):
        enliven(*values)
