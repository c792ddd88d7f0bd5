"""Figures of long videos against closed forms."""

import math

import pytest
import torch

from driftfield.evaluation.metrics.dynamic_degree import dynamic_degree
from driftfield.evaluation.metrics.flow_cosine import flow_cosine
from driftfield.evaluation.metrics.join_jump import join_jump, neighbour_changes
from driftfield.evaluation.metrics.repetition import repetition
from driftfield.evaluation.metrics.sharpness_in_joins import sharpness_in_joins


def ramp(*levels):
    return torch.tensor(levels).view(-1, 1, 1, 1).expand(-1, 3, 16, 16)


def test_a_jump_is_in_units_of_the_usual_change():
    changes = neighbour_changes(ramp(0.0, 0.1, 0.2, 0.3, 0.0, 0.1, 0.2, 0.3))
    joins = torch.zeros(7, dtype=torch.bool)
    joins[3] = True
    assert join_jump(changes, joins) == pytest.approx((3, 3))
    joins[5] = True
    assert join_jump(changes, joins) == pytest.approx((2, 3))
    assert all(map(math.isnan, join_jump(changes, joins & False)))


def test_sharpness_is_of_the_frames_inside_a_fade_over_the_others():
    frames = torch.rand(8, 3, 16, 16, generator=torch.Generator().manual_seed(0))[:1].repeat(8, 1, 1, 1)
    frames[3:5] = 0.5 + (frames[3:5] - 0.5) / 2
    fade = torch.tensor([False, False, True, True, True, False, False])  # frames 3 and 4 are blended
    assert sharpness_in_joins(frames, fade) == pytest.approx(0.5)
    assert sharpness_in_joins(2 * frames, fade) == pytest.approx(0.5)
    assert math.isnan(sharpness_in_joins(frames, torch.arange(7) == 3)), "a jump has no frames of its own"


def test_a_copy_repeats_and_a_drift_does_not():
    segment = [0.0, 0.1, 0.2, 0.3]
    assert repetition(ramp(*segment, *segment), 4) == pytest.approx((0, 0), abs=1e-6)
    drift = ramp(*(0.1 * i for i in range(8)))
    assert repetition(drift, 4) == pytest.approx((1, 1), abs=1e-4)
    between = ramp(*segment, 0.05, 0.15, 0.25, 0.35)
    assert repetition(between, 4)[0] == pytest.approx(0.5, abs=1e-4)
    assert all(map(math.isnan, repetition(drift, 8)))


def test_dynamic_degree_is_at_512_px():
    flow = torch.zeros(3, 2, 64, 128)
    flow[:, 0] = 3.0
    flow[:, 1] = 4.0
    assert dynamic_degree(flow) == pytest.approx(20)


def test_cosine_looks_where_something_is_asked_for():
    asked = torch.zeros(1, 2, 8, 8)
    asked[:, 0, :4] = 1.0
    flow = torch.zeros(5, 2, 8, 8)
    flow[:, 0], flow[:, 1, 4:] = 2.0, 9.0
    assert flow_cosine(flow, asked) == pytest.approx(1)
    assert flow_cosine(-flow, asked) == pytest.approx(-1)
