"""Metrics against closed forms."""

import math

import pytest
import torch

from driftfield.evaluation.metrics.arrow_obedience import commanded_velocity, cosine, relative_error, under_arrow
from driftfield.evaluation.metrics.colour_drift import colour_drift
from driftfield.evaluation.metrics.end_point_error import end_point_error
from driftfield.evaluation.metrics.frame_change import frame_change
from driftfield.evaluation.metrics.mean_length import mean_length
from driftfield.evaluation.metrics.psnr import psnr
from driftfield.evaluation.metrics.ssim import ssim
from driftfield.flow_tools.arrows import Arrow


@pytest.fixture
def noise():
    return torch.rand(2, 3, 32, 40, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_under_a_horizontal_arrow_lies_a_stadium():
    position = under_arrow(Arrow("a", ((0.25, 0.5), (0.75, 0.5))), height=100, width=200, radius_px=10)
    assert position.sum() == pytest.approx(100 * 20 + math.pi * 10**2, rel=0.02)
    rows, columns = position.nonzero().unbind(1)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (40, 59, 40, 159)


def test_under_a_pin_lies_a_disc_and_under_a_bend_both_legs():
    pin = under_arrow(Arrow("a", ((0.5, 0.5),)), height=100, width=100, radius_px=10)
    assert pin.sum() == pytest.approx(math.pi * 10**2, rel=0.03)
    bend = under_arrow(Arrow("a", ((0.2, 0.2), (0.8, 0.2), (0.8, 0.8))), height=100, width=100, radius_px=3)
    assert bend[20, 50] and bend[50, 80] and not bend[50, 50]


def test_commanded_velocity_is_equation_5():
    arrow = Arrow("a", ((0.25, 0.5), (0.5, 0.25)), strength=2.0)
    velocity = commanded_velocity(arrow, height=64, width=128, frames=9)
    torch.testing.assert_close(velocity, torch.tensor([8.0, -4.0]))
    pin = commanded_velocity(Arrow("p", ((0.5, 0.5),)), height=64, width=64, frames=9)
    assert pin.tolist() == [0, 0]


def test_cosine_and_relative_error():
    command = torch.tensor([3.0, 4.0])
    assert cosine(command * 0.1, command) == pytest.approx(1)
    assert cosine(-command, command) == pytest.approx(-1)
    assert cosine(torch.tensor([4.0, -3.0]), command) == pytest.approx(0)
    assert cosine(torch.zeros(2), command) == 0
    assert relative_error(command, command) == 0
    assert relative_error(torch.zeros(2), command) == pytest.approx(1)
    assert relative_error(-command, command) == pytest.approx(2)


def test_mean_length():
    flow = torch.zeros(2, 2, 4, 4)
    flow[0, 0, :2], flow[0, 1, :2] = 3, 4
    top = torch.arange(4)[:, None].expand(4, 4) < 2
    assert mean_length(flow, top) == pytest.approx(2.5)  # 5 and 0
    assert mean_length(flow, ~top) == 0
    assert math.isnan(mean_length(flow, torch.zeros(4, 4, dtype=torch.bool)))


def test_frame_change_is_in_grey_levels():
    frames = torch.tensor([0, 1, 3, 3]).view(4, 1, 1, 1).expand(4, 3, 8, 8) / 127.5 - 1
    assert frame_change(frames) == pytest.approx(1)  # 1, 2, 0
    assert frame_change(frames[:1].expand(4, -1, -1, -1)) == 0


def test_psnr(noise):
    assert psnr(noise, noise) == math.inf
    assert psnr(noise + 0.2, noise) == pytest.approx(20, abs=1e-3)  # a tenth of the range
    assert psnr(noise, -noise) < psnr(noise, torch.zeros_like(noise))


def test_ssim(noise):
    assert ssim(noise, noise) == pytest.approx(1)
    assert ssim(noise, -noise) < -0.9
    mild, strong = (ssim(noise, noise + amount * noise.roll(7, -1)) for amount in (0.1, 0.5))
    assert strong < mild < 1
    c1, x, y = 0.01**2, 0.75, 0.6  # 0..1; of two flat pictures only the term of light is left
    flat = ssim(torch.full_like(noise, 2 * x - 1), torch.full_like(noise, 2 * y - 1))
    assert flat == pytest.approx((2 * x * y + c1) / (x * x + y * y + c1), abs=1e-6)


def test_ssim_is_scikit_images(noise):
    metrics = pytest.importorskip("skimage.metrics")
    other = (noise + noise.roll(3, -2)) / 2
    expected = [
        metrics.structural_similarity(
            (a.numpy() + 1) / 2,
            (b.numpy() + 1) / 2,
            channel_axis=0,
            data_range=1.0,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
        for a, b in zip(noise.double(), other.double(), strict=True)
    ]
    assert ssim(noise, other) == pytest.approx(sum(expected) / 2, abs=1e-6)


def test_end_point_error_and_colour_drift():
    flow, true = torch.zeros(2, 2, 4, 4), torch.zeros(2, 2, 4, 4)
    true[0, 0], true[0, 1] = 3, 4
    assert end_point_error(flow, true) == pytest.approx(2.5)
    frames = torch.zeros(3, 3, 4, 4)
    frames[2, 1] = -2 / 127.5
    frames[1, 0, 0, 0], frames[1, 0, 1, 1] = 1, -1  # the mean stays
    assert colour_drift(frames) == pytest.approx(2)
