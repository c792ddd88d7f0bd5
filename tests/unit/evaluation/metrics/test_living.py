"""Sharpness and change against closed forms."""

import math

import pytest
import torch

from driftfield.evaluation.metrics.change_power import change_power, unexplained_change
from driftfield.evaluation.metrics.sharpness import sharpness
from driftfield.evaluation.metrics.ssim import RADIUS_PX, ssim, ssim_in
from driftfield.flow_tools.warp import backward_warp

EVERYWHERE = torch.ones(1, 32, 40, dtype=torch.bool)
NOWHERE = ~EVERYWHERE


@pytest.fixture
def noise():
    return torch.rand(25, 3, 32, 40, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_sharpness_of_a_ramp_is_its_slope():
    ramp = (torch.arange(40) / 127.5).expand(2, 3, 32, 40)
    assert sharpness(ramp, EVERYWHERE) == pytest.approx(1, abs=1e-4)
    assert sharpness(ramp + 2 * ramp.mT.new_zeros(1), EVERYWHERE) == pytest.approx(1, abs=1e-4)
    steep = EVERYWHERE.clone()
    steep[..., :20] = False
    assert sharpness(torch.where(steep, 3 * ramp, ramp), steep & EVERYWHERE.roll(-1, -1)) == pytest.approx(3, abs=0.01)
    assert math.isnan(sharpness(ramp, NOWHERE))


@pytest.mark.parametrize("cycles, speed", [(2, "slow"), (5, "middling"), (10, "fast")])
def test_a_swinging_place_has_its_power_where_its_speed_is(cycles, speed):
    swing = 0.1 * torch.cos(2 * math.pi * cycles * torch.arange(25) / 25)
    frames = swing.view(-1, 1, 1, 1).expand(-1, 3, 32, 40)
    power = change_power(frames, EVERYWHERE)
    total = sum(power.values())
    assert power[speed] > 0.9 * total
    assert total == pytest.approx(25 / 4 * (0.1 * 127.5) ** 2, rel=0.05)  # half a cosine's L A² / 2: one side of it
    assert all(math.isnan(value) for value in change_power(frames, NOWHERE).values())


def test_what_rests_has_none_and_noise_has_as_much_everywhere(noise):
    assert sum(change_power(noise[:1].expand(25, -1, -1, -1), EVERYWHERE).values()) == pytest.approx(0, abs=1e-6)
    power = change_power(noise, EVERYWHERE)
    variance = 127.5**2 / 3  # of -1..1, even
    assert power["fast"] == pytest.approx(5 * variance, rel=0.05)
    assert power["middling"] == pytest.approx(4 * variance, rel=0.05)


def test_change_that_the_flow_explains_is_none(noise):
    wide = torch.nn.functional.interpolate(noise[:1, :, :8, :10], size=(32, 40), mode="bicubic")
    moved = torch.cat(
        [backward_warp(wide, torch.tensor([-float(t), 0.0]).view(1, 2, 1, 1).expand(1, 2, 32, 40)) for t in range(5)]
    )
    flow = torch.zeros(4, 2, 32, 40)
    flow[:, 0] = 1
    inside = EVERYWHERE.clone()
    inside[..., :6] = False
    assert unexplained_change(moved, flow, inside) < 1e-3 < 5 < unexplained_change(moved, 0 * flow, inside)
    level = 0.05 * torch.randn(5, 3, 32, 40, generator=torch.Generator().manual_seed(1))
    assert unexplained_change(level, 0 * flow, EVERYWHERE) == pytest.approx(0.05 * math.sqrt(2) * 127.5, rel=0.05)
    assert math.isnan(unexplained_change(level, flow, NOWHERE))


def test_ssim_in_a_place(noise):
    left = EVERYWHERE.clone()
    left[..., 20:] = False
    other = torch.where(left, noise, -noise)[:2]
    assert ssim_in(other, noise[:2], EVERYWHERE) == pytest.approx(ssim(other, noise[:2]))
    deep = left.roll(-RADIUS_PX, -1) & left
    assert ssim_in(other, noise[:2], deep) == pytest.approx(1) and ssim_in(other, noise[:2], ~left) < 0.2
    assert math.isnan(ssim_in(other, noise[:2], NOWHERE))
