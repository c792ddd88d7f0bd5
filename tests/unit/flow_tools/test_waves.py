import numpy as np
import pytest
import torch

from driftfield.flow_tools.curl_noise import curl_noise
from driftfield.flow_tools.sway import above_root, sway
from driftfield.flow_tools.waves import WAVES, drawn, summed

EDDIES = {"amplitude": 0.8, "size": 0.15, "cycles": 2}


def hashed(number: int) -> int:
    """Wellons' lowbias32, in whole numbers."""
    number ^= number >> 16
    number = number * 0x7FEB352D % 2**32
    number ^= number >> 15
    number = number * 0x846CA68B % 2**32
    return number ^ number >> 16


@pytest.mark.parametrize("seed", [0, 1, 2**32, 2**64 - 1])
def test_numbers_are_drawn_alike_on_every_machine(seed):
    start = hashed(hashed(seed % 2**32) ^ seed >> 32)
    expected = [(hashed((start + i) % 2**32) + 0.5) / 2**32 for i in range(200)]
    np.testing.assert_array_equal(drawn(seed, 200), expected)


def test_numbers_are_even_and_unlike_for_another_seed():
    numbers = drawn(7, 50_000)
    assert np.histogram(numbers, 10, (0, 1))[0] == pytest.approx(5000, rel=0.06)
    assert abs(np.corrcoef(numbers[1:], numbers[:-1])[0, 1]) < 0.02
    assert abs(np.corrcoef(numbers[: 4 * WAVES], drawn(8, 4 * WAVES))[0, 1]) < 0.3


def test_a_sum_of_waves_is_the_formula():
    rng = np.random.default_rng(1)
    x, y, weight, phase = rng.normal(0, 9, 5), rng.normal(0, 9, 5), rng.normal(0, 1, 5), rng.normal(0, 2, (3, 5))
    found = summed(x, y, phase, weight, 7, 11)
    column, row = (np.arange(11) + 0.5) / 11, (np.arange(7)[:, None] + 0.5) / 11
    for t in range(3):
        expected = sum(weight[j] * np.cos(x[j] * column + y[j] * row + phase[t, j]) for j in range(5))
        np.testing.assert_allclose(found[t], expected, atol=1e-6)


def test_eddies_have_their_amplitude_neither_gather_nor_scatter_and_come_again():
    noise = curl_noise(192, 256, 24, seed=3, **EDDIES)
    assert float(noise.square().sum(1).mean().sqrt()) == pytest.approx(0.8, rel=0.08)
    fine = curl_noise(1536, 2048, 1, seed=3, **EDDIES)[0].double()
    divergence = fine[0, 1:-1, 2:] - fine[0, 1:-1, :-2] + fine[1, 2:, 1:-1] - fine[1, :-2, 1:-1]
    slopes = (fine[0, 1:-1, 2:] - fine[0, 1:-1, :-2]).abs()
    assert divergence.abs().max() < 1e-3 * slopes.max()
    steps = torch.cat([noise, noise[:1]]).diff(dim=0).square().mean((1, 2, 3)).sqrt()
    assert steps[-1] < 1.3 * steps[:-1].mean(), "the way back to the first is a step like the others"


@pytest.mark.parametrize(("squeeze", "along"), [(1.0, (1.0, 0.0)), (4.0, (1.0, 0.0)), (3.0, (0.6, 0.8))])
def test_eddies_are_of_one_size(squeeze, along):
    size = 0.05
    noise = curl_noise(512, 512, 1, amplitude=1.0, size=size, cycles=2, seed=5, squeeze=squeeze, along=along)
    power = torch.fft.rfft2(noise[0] * torch.hann_window(512) * torch.hann_window(512)[:, None]).abs().square().sum(0)
    y, x = torch.fft.fftfreq(512)[:, None] * 512, torch.fft.rfftfreq(512) * 512
    ahead, aside = along[0] * x + along[1] * y, along[0] * y - along[1] * x
    number = torch.hypot(ahead, aside / squeeze) * 2 * size  # 1 where two eddies are a wave
    inside = power[(number > 0.4) & (number < 1.6)].sum()
    assert inside / power.sum() > 0.97


def test_eddies_are_the_same_at_every_size_and_others_for_another_seed():
    small, large = (curl_noise(side, side, 3, seed=3, **EDDIES) for side in (64, 192))
    middle = large[:, :, 1::3, 1::3]  # the middles of the small picture's pixels
    torch.testing.assert_close(middle, small, atol=1e-5, rtol=0)
    other = curl_noise(64, 64, 3, seed=4, **EDDIES)
    assert abs(np.corrcoef(small.flatten(), other.flatten())[0, 1]) < 0.3


def test_what_sways_begins_at_rest_and_comes_again():
    moved = sway(96, 128, 25, amplitude=3.0, size=0.14, cycles=2, seed=1)
    assert not moved[0].any()
    assert float(moved.square().sum(1).mean().sqrt()) == pytest.approx(3.0, rel=0.3)
    steps = torch.cat([moved, moved[:1]]).diff(dim=0).square().mean((1, 2, 3)).sqrt()
    assert steps[-1] < 1.5 * steps[:-1].mean()


def test_gusts_travel():
    """The motion of a place is what one beside it does a little later, more than a little earlier."""
    frames = 100
    moved = sway(4, 256, frames, amplitude=1.0, size=0.14, cycles=8, seed=2)[:, 0, 0].double()
    moved = moved - moved.mean(0)
    here, beside = moved[:, :-12], moved[:, 12:]
    later, earlier = ((here * beside.roll(shift, 0)).mean() for shift in (-2, 2))
    assert abs(later - earlier) > 0.3 * (here * here).mean()


def test_stalks_stand_still_at_their_roots():
    region = torch.zeros(1, 1, 100, 50)
    region[..., 20:60, :25] = 1
    region[..., 20:, 25:] = 1
    free = above_root(region)
    assert free[0, 0, 59, 5] == pytest.approx(0, abs=0.01) and free[0, 0, 49, 5] == pytest.approx(0.5)
    assert free[0, 0, 25, 5] == 1, "20 px above its root"
    assert (free[0, 0, 20:, 30] == 1).all(), "rooted below the picture"
