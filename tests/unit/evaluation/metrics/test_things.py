"""Metrics of things against shapes and pictures whose figures are known."""

import math

import numpy as np
import pytest
import torch

from driftfield.evaluation.metrics.drag import drag
from driftfield.evaluation.metrics.overlap import iou
from driftfield.evaluation.metrics.psnr import psnr_in
from driftfield.evaluation.metrics.sightings import sightings, template_of
from driftfield.evaluation.metrics.texture_energy import texture_energy
from driftfield.evaluation.metrics.thing_shape import reach, shape_of
from driftfield.evaluation.metrics.uncovered import uncovered_gain


def ellipse(x, y, across, down, *, turned=0.0, side=128):
    row, column = torch.meshgrid(torch.arange(side) + 0.5 - y, torch.arange(side) + 0.5 - x, indexing="ij")
    along = column * math.cos(turned) + row * math.sin(turned)
    beside = row * math.cos(turned) - column * math.sin(turned)
    return ((along / across) ** 2 + (beside / down) ** 2 <= 1).float()[None]


@pytest.mark.parametrize("turned", [0.0, 0.5, 1.2])
def test_the_shape_of_an_ellipse(turned):
    shape = shape_of(ellipse(60, 70, 36, 18, turned=turned))
    assert shape.area_px == pytest.approx(math.pi * 36 * 18, rel=0.01)
    assert shape.middle == pytest.approx([60, 70], abs=0.1)
    assert shape.axis_ratio == pytest.approx(2, rel=0.01)


def test_nothing_has_no_shape():
    assert math.isnan(shape_of(torch.zeros(1, 8, 8)).axis_ratio)


def test_reach_is_a_share_of_the_way():
    start, end = shape_of(ellipse(40, 60, 12, 12)), shape_of(ellipse(55, 61, 12, 12))
    assert reach(start, end, np.array([30.0, 0.0])) == pytest.approx(0.5, abs=0.01)
    assert reach(start, end, np.array([-30.0, 0.0])) == pytest.approx(-0.5, abs=0.01)


def test_iou_of_two_squares():
    one, other = torch.zeros(2, 1, 20, 20)
    one[:, 0:10, 0:10] = 1
    other[:, 0:10, 5:15] = 1
    assert iou(one, other) == pytest.approx(50 / 150) and iou(one, one) == 1 and iou(0.4 * one, 0.4 * one) == 1


def test_drag_looks_at_the_ring_alone():
    field, disc = torch.zeros(1, 2, 128, 128), ellipse(64, 64, 20, 20)
    away = torch.hypot(torch.arange(128)[:, None] - 63.5, torch.arange(128) - 63.5) - 20
    field[0, 0] = 3.0
    assert drag(field, disc, distance_px=20, speed_px=4) == pytest.approx(0.75)
    field[0, 0, (away > 15) & (away < 25)] = 0
    assert drag(field, disc, distance_px=20, speed_px=4) == 0


def test_uncovered_background_against_nearest_pixels():
    background = torch.zeros(1, 3, 40, 40)
    still = background + 0.2
    hole = torch.zeros(1, 40, 40, dtype=torch.bool)
    hole[:, 10:30, 10:30] = True
    assert uncovered_gain(background + 0.1, still, background, hole, hole) == pytest.approx(10 * math.log10(4))
    assert uncovered_gain(still, still, background, hole, hole) == pytest.approx(0, abs=1e-4)


def test_a_coarse_gain_does_not_see_texture():
    background = torch.zeros(1, 3, 40, 40)
    still = background + 0.2
    hole = torch.zeros(1, 40, 40, dtype=torch.bool)
    hole[:, 10:30, 10:30] = True
    checks = 0.4 * (torch.arange(40)[:, None] + torch.arange(40) & 1) - 0.2
    assert uncovered_gain(background + checks, still, background, hole, hole) == pytest.approx(0, abs=1e-3)
    assert uncovered_gain(background + checks, still, background, hole, hole, sigma_px=4) > 40


def test_the_energy_of_texture():
    generator = torch.Generator().manual_seed(0)
    ramp = torch.linspace(-0.5, 0.5, 64).expand(1, 3, 64, 64)
    noise = 0.1 * torch.randn(1, 3, 64, 64, generator=generator)
    where = torch.zeros(1, 64, 64, dtype=torch.bool)
    where[:, 16:48, 16:48] = True
    assert texture_energy(ramp + noise, ramp + noise, where) == 1
    assert texture_energy(ramp + noise.flip(-1), ramp + noise, where) == pytest.approx(1, abs=0.1), "another place"
    assert texture_energy(0.5 * noise, noise, where) == pytest.approx(0.25)
    assert texture_energy(ramp, ramp + noise, where) < 0.01
    assert math.isnan(texture_energy(noise, torch.zeros_like(noise), where))


def test_psnr_of_a_part():
    frames, where = torch.zeros(2, 3, 8, 8), torch.zeros(1, 8, 8, dtype=torch.bool)
    where[:, :4] = True
    frames[:, :, 4:] = 1
    frames[:, :, :4] = 0.02
    assert psnr_in(frames, torch.zeros(1, 3, 8, 8), where) == pytest.approx(40, abs=1e-3)
    assert math.isnan(psnr_in(frames, frames, ~where & where))


@pytest.fixture
def painted():
    """Draws a patterned thing at places with an opacity each on an uneven ground: [3, 128, 128]."""
    generator = torch.Generator().manual_seed(0)
    pattern = torch.nn.functional.interpolate(torch.rand(1, 3, 5, 5, generator=generator), size=24)[0] * 2 - 1
    ground = torch.rand(3, 128, 128, generator=generator) * 0.1 - 0.3

    def paint(*places):
        picture = ground.clone()
        for x, y, opacity in places:
            part = picture[:, y : y + 24, x : x + 24]
            part.copy_(torch.lerp(part, pattern, opacity))
        return picture

    return paint


def test_sightings_count_what_is_there(painted):
    alpha = torch.zeros(1, 128, 128)
    alpha[:, 20:44, 30:54] = 1
    template = template_of(painted((30, 20, 1.0)), alpha)
    for places, count in (
        ((), 0),
        (((70, 80, 1.0),), 1),
        (((10, 10, 1.0), (80, 60, 1.0)), 2),
        (((10, 10, 0.5), (50, 10, 0.5)), 2),  # in the middle of a fade
        (((10, 10, 1.0), (50, 10, 0.1)), 1),  # a tenth of it is hardly seen
        (((2, 2, 1.0), (50, 50, 1.0), (100, 100, 0.6)), 3),
    ):
        assert sightings(painted(*places), [template]) == count, places
    assert sightings(painted((70, 80, 1.0)), [template, template]) == 1
