import math
from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny import svd_scheduler

from driftfield.sampling.schedule import check_sigmas, init_noise_scale, karras_sigmas, phase_boundary


@pytest.mark.parametrize("steps", [1, 2, 3, 10, 25, 50, 137])
def test_sigmas_are_those_of_diffusers(steps):
    scheduler = svd_scheduler()
    scheduler.set_timesteps(steps)
    sigmas = karras_sigmas(steps, sigma_min=0.002, sigma_max=700)
    assert sigmas.dtype == torch.float32 and sigmas.shape == (steps + 1,)
    torch.testing.assert_close(sigmas, scheduler.sigmas, rtol=1e-6, atol=0)


def test_sigmas_follow_the_given_range_and_rho():
    sigmas = karras_sigmas(3, sigma_min=1, sigma_max=9, rho=2)
    torch.testing.assert_close(sigmas, torch.tensor([9.0, 4.0, 1.0, 0.0]))


@pytest.mark.parametrize("steps, low, high", [(0, 1, 2), (5, 0, 2), (5, 3, 2), (5, 1, math.inf), (5, math.nan, 2)])
def test_impossible_schedules_are_refused(steps, low, high):
    with pytest.raises(ValueError, match="got"):
        karras_sigmas(steps, sigma_min=low, sigma_max=high)


@pytest.mark.parametrize(
    "sigmas", [[1.0], [[2.0, 1.0]], [1.0, 1.0, 0.0], [1.0, 2.0], [1.0, -1.0], [math.nan, 0.0], [math.inf, 0.0]]
)
def test_sigmas_that_do_not_decrease_are_refused(sigmas):
    with pytest.raises(ValueError, match="sigmas"):
        check_sigmas(torch.tensor(sigmas))


def test_noise_scale_is_that_of_diffusers():
    scheduler = svd_scheduler()
    scheduler.set_timesteps(25)
    assert init_noise_scale(scheduler.sigmas[0]) == scheduler.init_noise_sigma


@given(st.integers(1, 1000), st.data())
def test_phase_boundary_does_not_mind_float_error(steps, data):
    shared = data.draw(st.integers(0, steps))
    assert phase_boundary(steps, shared / steps) == shared


@given(st.integers(1, 200), st.integers(0, 100))
def test_phase_boundary_rounds_down(steps, percent):
    """So that less than 1 leaves more than the last step, which begins at sigma_min, as often as it can."""
    assert phase_boundary(steps, percent / 100) == math.floor(Fraction(percent, 100) * steps)


@pytest.mark.parametrize("gamma, shared", [(0, 0), (0.28, 7), (0.8, 20), (0.81, 20), (0.999, 24), (1, 25)])
def test_phase_boundary_at_25_steps(gamma, shared):
    assert phase_boundary(25, gamma) == shared


@pytest.mark.parametrize("gamma", [-0.01, 1.01, math.nan])
def test_gamma_out_of_range_is_refused(gamma):
    with pytest.raises(ValueError, match="gamma"):
        phase_boundary(25, gamma)
