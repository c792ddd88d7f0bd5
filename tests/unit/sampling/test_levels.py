"""Levels that mean the same on every schedule."""

import math

import pytest
import torch

from driftfield.sampling.levels import (
    NOISE,
    SCHEDULE,
    STEPS,
    STRONG,
    WEAK,
    one_step_longer,
    phase_ratio,
    share_of,
    shared_steps,
    sigma_at,
    steps_above,
)
from driftfield.sampling.schedule import karras_sigmas


def shifted(shift):
    """percent_to_sigma of a flow model."""
    return lambda share: shift * (1 - share) / (1 + (shift - 1) * (1 - share))


def schedule(steps, shift=5.0):
    return torch.tensor([shifted(shift)(i / steps) for i in range(steps + 1)])


@pytest.mark.parametrize(("steps_of_50", "shift", "ratio"), [(3, 5, 78.3), (7, 5, 30.7), (3, 8, 125.3), (7, 8, 49.1)])
def test_time_to_moves_levels_are_these_ratios(steps_of_50, shift, ratio):
    sigma = float(schedule(50, shift)[steps_of_50])
    assert sigma / (1 - sigma) == pytest.approx(ratio, rel=2e-3)
    assert sigma_at(sigma / (1 - sigma), flow=True) == pytest.approx(sigma)


def test_svds_are_the_automatic_ones():
    sigmas = karras_sigmas(50, sigma_min=0.002, sigma_max=700.0)
    assert [WEAK, STRONG] == pytest.approx([float(sigmas[16]), float(sigmas[21])], rel=0.02)
    assert sigma_at(WEAK, flow=False) == WEAK
    assert sigma_at(math.inf, flow=True) == 1.0


@pytest.mark.parametrize("share", [0.0, 1e-4, 0.06, 0.5, 0.999])
def test_a_share_is_found_again(share):
    assert share_of(shifted(5)(share), shifted(5)) == pytest.approx(share, abs=1e-8)


@pytest.mark.parametrize("shift", [1.0, 3.0, 5.0, 8.0, 12.0])
@pytest.mark.parametrize("steps", [2, 3, 4, 6, 8, 20, 50])
def test_what_moves_is_held_one_step_longer_at_least(steps, shift):
    sigmas, weak = schedule(steps, shift), sigma_at(WEAK, flow=True)
    strong = one_step_longer(sigmas, weak, sigma_at(STRONG, flow=True), shifted(shift))
    everything, moving = steps_above(sigmas, weak), steps_above(sigmas, strong)
    assert moving > everything
    assert moving == max(everything + 1, steps_above(sigmas, sigma_at(STRONG, flow=True)))


@pytest.mark.parametrize("steps", [4, 6, 8, 20])
def test_two_experts_hold_what_one_holds_wherever_they_part(steps):
    sigmas, weak, strong = schedule(steps), sigma_at(WEAK, flow=True), sigma_at(STRONG, flow=True)

    def held(part):
        return steps_above(part, one_step_longer(part, weak, strong, shifted(5)))

    for split in range(1, steps):
        parts = held(sigmas[: split + 1]) + held(sigmas[split:])
        assert parts == held(sigmas), split


def test_no_step_is_added_where_all_are_held_or_levels_are_far_apart():
    sigmas = schedule(20)
    assert one_step_longer(sigmas[:2], 0.1, 0.05, shifted(5)) == 0.05
    assert one_step_longer(sigmas, 0.95, 0.5, shifted(5)) == 0.5


def test_shares_and_floats_meet_at_a_level():
    sigmas = schedule(20)
    for i in range(1, 20):
        assert steps_above(sigmas, shifted(5)(i / 20)) == i


def test_gamma_means_the_noise_that_it_leaves_on_svd():
    sigmas = karras_sigmas(25, sigma_min=0.002, sigma_max=700.0)
    for i in range(1, 25):
        assert phase_ratio(i / 25) == pytest.approx(float(sigmas[i]), rel=1e-4)
    assert phase_ratio(0.8) == pytest.approx(0.157, abs=1e-3)
    assert (phase_ratio(0.0), phase_ratio(1.0)) == (math.inf, 0.0)


@pytest.mark.parametrize(("shift", "gamma"), [(5, 0.969), (8, 0.981)])
def test_equal_noise_is_this_share_of_a_flow_models_schedule(shift, gamma):
    assert share_of(sigma_at(phase_ratio(0.8), flow=True), shifted(shift)) == pytest.approx(gamma, abs=1e-3)


def shared(sigmas, gamma, counts, *, flow=True, least=1):
    return shared_steps(sigmas, gamma, counts, flow=flow, percent_to_sigma=shifted(5), least=least)


def test_how_many_steps_are_shared():
    svd = karras_sigmas(25, sigma_min=0.002, sigma_max=700.0)
    assert shared(svd, 0.8, NOISE, flow=False) == shared(svd, 0.8, STEPS) == 20
    assert shared(schedule(50), 0.8, NOISE) == 49  # 0.969 of them
    assert shared(schedule(50), 0.8, SCHEDULE) == shared(schedule(50), 0.8, STEPS) == 40
    second = schedule(50)[20:]  # of two experts
    assert shared(second, 0.8, NOISE) == 29
    assert shared(second, 0.8, SCHEDULE) == 20
    assert shared(second, 0.8, STEPS) == 24
    assert shared(second, 0.2, SCHEDULE) == shared(second, 0.2, NOISE) == 0


@pytest.mark.parametrize("counts", [NOISE, SCHEDULE, STEPS])
def test_a_step_is_left_below_1_and_none_at_1(counts):
    assert shared(schedule(4), 0.999, counts) == 3
    assert shared(schedule(4), 1.0, counts) == 4
    assert shared(schedule(4), 0.0, counts) == 0
    assert shared(schedule(4), 0.999, counts, least=2) == 2
    assert shared(schedule(1), 0.999, counts, least=2) == 0


def test_what_is_out_of_range_is_refused():
    with pytest.raises(ValueError, match=r"gamma: got 1.1, allowed 0..1"):
        shared(schedule(4), 1.1, NOISE)
    with pytest.raises(ValueError, match=r"gamma: got nan"):
        shared(schedule(4), math.nan, STEPS)
    with pytest.raises(ValueError, match=r"gamma: got -1"):
        shared(schedule(4), -1, SCHEDULE)
