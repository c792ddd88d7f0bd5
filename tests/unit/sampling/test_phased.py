import hashlib
import math
import os
import random
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
import torch
from extending import FRAMES, extended, seeded, timeline_of
from noise import randn

from driftfield.sampling.denoiser import make_denoiser
from driftfield.sampling.guidance import guidance_scales, guided
from driftfield.sampling.joins import CROSSFADE, JOINS, OFFSET_WINDOWS, RESTART
from driftfield.sampling.phased import evaluations, share_noise
from driftfield.sampling.schedule import karras_sigmas
from driftfield.sampling.trajectory import euler, sample_trajectory

SIGMAS = karras_sigmas(10, sigma_min=0.002, sigma_max=700)


@pytest.fixture
def trajectory(gaussian, noise):
    return sample_trajectory(gaussian(), noise, SIGMAS)


@pytest.mark.parametrize("segments, gamma, steps", [(5, 0.8, 25), (2, 0, 4), (3, 0.28, 25), (7, 0.55, 9)])
@pytest.mark.parametrize("joins", JOINS)
def test_evaluations_of_an_extension(conditioning, noise, prior, segments, gamma, steps, joins):
    seen, in_network = [], []

    def network(sample, *args, **kwargs):
        in_network.append(len(sample))
        return sample[:, :, :4]

    conditional = make_denoiser(network, conditioning, count=seen.append)
    unconditional = make_denoiser(network, conditioning.unconditional())
    denoise = guided(conditional, unconditional, guidance_scales(1, 3, FRAMES))
    trajectory = sample_trajectory(denoise, noise, karras_sigmas(steps, sigma_min=0.002, sigma_max=700))
    assert sum(seen) == steps
    frames = segments * FRAMES
    video = extended(conditional, denoise, trajectory, prior, frames=frames, gamma=gamma, joins=joins, batch=3)
    counted = evaluations(timeline_of(joins, frames), steps=steps, gamma=gamma)
    left = steps - math.floor(Fraction(str(gamma)) * steps)
    assert sum(seen) == steps + counted and sum(in_network) == 2 * (steps + counted) - 1
    assert video.shape == (frames, 4, 8, 8)
    if joins == RESTART:
        assert counted == 1 + (segments - 1) * left
    else:
        assert 1 + (segments - 1) * left <= counted <= 1 + segments * left


def test_evaluations_at_the_papers_settings():
    """25 steps, 125 frames: T + 1 + (K - 1)(T - M) = 46, which is 1.84 T, against 5 T for chaining."""
    cost = {joins: 25 + evaluations(timeline_of(joins, 125, 25), steps=25, gamma=0.8) for joins in JOINS}
    assert cost == {"restart": 46, "offset windows": 49, "crossfade": 51, "loop": 51, "ping-pong": 51}
    assert max(cost.values()) <= 1.5 * cost[RESTART]


@pytest.mark.parametrize("joins", JOINS)
@pytest.mark.parametrize("frames, gamma", [(3 * FRAMES, 1), (FRAMES, 0.5), (3, 0)])
def test_nothing_to_denoise_needs_no_evaluation(trajectory, prior, frames, gamma, joins):
    def refuse(x, sigma):
        raise AssertionError("no evaluation is needed")

    video = extended(refuse, refuse, trajectory, prior, frames=frames, gamma=gamma, joins=joins)
    assert evaluations(timeline_of(joins, frames), steps=10, gamma=gamma) == 0
    if joins in (RESTART, OFFSET_WINDOWS) or frames <= FRAMES:
        assert torch.equal(video[:frames], trajectory.latents.repeat(3, 1, 1, 1)[:frames])


@pytest.mark.parametrize("joins", JOINS)
def test_one_segment_is_the_plain_sampler_s(gaussian, noise, prior, joins):
    trajectory = sample_trajectory(gaussian(), noise, SIGMAS)
    plain = euler(gaussian(), noise[None] * (SIGMAS[0] ** 2 + 1) ** 0.5, SIGMAS)[0]
    video = extended(gaussian(), gaussian(), trajectory, prior, frames=FRAMES, gamma=0, joins=joins)
    torch.testing.assert_close(video, plain, atol=1e-6, rtol=0)


def test_first_segment_is_kept_and_the_others_differ(gaussian, trajectory, prior):
    video = extended(gaussian(), gaussian(), trajectory, prior, gamma=0.2).unflatten(0, (4, FRAMES))
    assert torch.equal(video[0], trajectory.latents)
    distance = torch.cdist(video.flatten(1), video.flatten(1))
    assert (distance + torch.eye(4) > 0.1).all()


@pytest.mark.parametrize("gamma, first", [(0, 0), (0.6, 6)])
def test_second_phase_visits_the_rest_of_the_schedule(gaussian, trajectory, prior, gamma, first):
    conditional, denoiser = gaussian(), gaussian()
    extended(conditional, denoiser, trajectory, prior, gamma=gamma)
    assert conditional.seen == SIGMAS[first : first + 1].tolist()
    assert denoiser.seen == SIGMAS[first:-1].repeat_interleave(3).tolist()


def test_second_phase_starts_from_the_estimate_of_the_first_and_unit_noise(gaussian, trajectory, prior):
    conditional, denoiser = gaussian(deviation=0.01), gaussian()
    extended(conditional, denoiser, trajectory, prior, batch=3)
    [noisy], starts = conditional.inputs[0], denoiser.inputs[0]
    noise = (noisy - prior) / SIGMAS[6]
    assert noise.std() == pytest.approx(1, abs=0.1)
    assert (torch.corrcoef(noise.flatten(1)) - torch.eye(FRAMES)).abs().max() < 0.3, "one noise a frame"
    shared = (starts - trajectory.denoised[6]) / SIGMAS[6]
    assert shared.std() == pytest.approx(1, abs=0.01)


def test_segments_share_the_predicted_noise_in_units_of_sigma(gaussian, trajectory, prior):
    predicted, denoiser = randn(*prior.shape, seed=9), gaussian()
    conditional = lambda x, sigma: x - sigma * predicted  # noqa: E731
    extended(conditional, denoiser, trajectory, prior, gamma=0.8, omega=0.5, batch=3)
    shared = (denoiser.inputs[0] - trajectory.denoised[8]) / SIGMAS[8]
    frames = torch.cat([predicted.flatten(1), shared.flatten(0, 1).flatten(1)])
    same = torch.corrcoef(frames)[:FRAMES, FRAMES:].amax(0)
    assert same.mean() == pytest.approx(1 / (1 + 0.5**2) ** 0.5, abs=0.02)  # eq. 11 with n of unit variance


def test_windows_across_a_join_see_the_first_segment_as_it_was(gaussian, trajectory, prior):
    """Calls in turn begin half a segment earlier; V1's own frames come at the noise level of the step."""
    denoiser = gaussian()
    extended(gaussian(), denoiser, trajectory, prior, joins=OFFSET_WINDOWS, batch=9, gamma=0.8)
    shifted, aligned = denoiser.inputs
    half = FRAMES // 2
    torch.testing.assert_close(shifted[0, :half], trajectory.states[8][FRAMES - half :])
    assert len(shifted) == 4 and len(aligned) == 3
    assert not torch.equal(aligned[0], trajectory.states[9])


def test_a_sampler_between_the_noise_levels_sees_the_first_segment_there(gaussian, trajectory, prior):
    def halfway(denoise, x, sigmas, callback):
        for i in range(len(sigmas) - 1):
            denoise(x, (sigmas[i] + sigmas[i + 1]) / 2)
        return euler(denoise, x, sigmas, callback)

    denoiser = gaussian()
    extended(gaussian(), denoiser, trajectory, prior, joins=OFFSET_WINDOWS, batch=9, gamma=0.8, sampler=halfway)
    half = FRAMES // 2
    between = (trajectory.states[8] + trajectory.states[9]) / 2
    torch.testing.assert_close(denoiser.inputs[0][0, :half], between[FRAMES - half :])


@pytest.mark.parametrize("scale", [0.05, 1.0, 7.0])
@pytest.mark.parametrize("omega", [0.0, 0.2, 3.0])
def test_shared_noise_has_unit_deviation_whatever_the_network_predicts(noise, scale, omega):
    shared = share_noise(scale * noise, copies=4, omega=omega, generator=seeded())
    assert shared.std() == pytest.approx(1, abs=0.01)


def frame_set(noise):
    return sorted(hashlib.sha256(frame.numpy().tobytes()).hexdigest() for frame in noise.flatten(0, 1).contiguous())


@pytest.mark.parametrize("omega", [0.0, 0.2])
def test_shuffle_is_a_permutation_of_frames_across_segments(noise, monkeypatch, omega):
    shuffled = share_noise(noise, copies=4, omega=omega, generator=seeded())
    monkeypatch.setattr(torch, "randperm", lambda count, generator: torch.arange(count))
    ordered = share_noise(noise, copies=4, omega=omega, generator=seeded())
    monkeypatch.undo()
    assert frame_set(shuffled) == frame_set(ordered)
    torch.testing.assert_close(ordered.flatten(1).std(1), torch.ones(4))
    came_from = [
        (k, next(j for j in range(4) if any(torch.equal(frame, other) for other in ordered[j])))
        for k in range(4)
        for frame in shuffled[k]
    ]
    if omega:
        assert any(k != j for k, j in came_from), "frames stay inside their segments"
    assert not torch.equal(shuffled, ordered)


def test_omega_zero_shares_the_very_same_frames(noise):
    shared = share_noise(noise, copies=3, omega=0.0, generator=seeded())
    expected = (noise / noise.std()).expand(3, *noise.shape)
    assert frame_set(shared) == frame_set(expected)


def test_correlation_with_the_prior_noise_falls_with_omega(noise):
    def correlation(omega):
        frames = share_noise(noise, copies=3, omega=omega, generator=seeded()).flatten(0, 1)
        return torch.corrcoef(torch.cat([noise.flatten(1), frames.flatten(1)]))[:FRAMES, FRAMES:].amax(0).mean()

    for omega in (0.2, 1.0):
        assert correlation(omega) == pytest.approx(1 / (1 + omega**2) ** 0.5, abs=0.05)


@pytest.mark.parametrize("joins", [RESTART, CROSSFADE])
def test_batched_and_one_by_one_agree(network, conditioning, noise, prior, joins):
    conditional = make_denoiser(network, conditioning)
    unconditional = make_denoiser(network, conditioning.unconditional())
    denoise = guided(conditional, unconditional, guidance_scales(1, 3, FRAMES))
    trajectory = sample_trajectory(denoise, noise, SIGMAS)
    one_by_one, pairs, batched = (
        extended(conditional, denoise, trajectory, prior, joins=joins, batch=batch) for batch in (1, 2, 9)
    )
    assert one_by_one[FRAMES:].std() > 0.1
    torch.testing.assert_close(batched, one_by_one, atol=1e-4, rtol=0)
    torch.testing.assert_close(pairs, one_by_one, atol=1e-4, rtol=0)


FINGERPRINT = """
import hashlib, torch
from driftfield.sampling.trajectory import sample_trajectory
from driftfield.sampling.joins import plan_joins
from driftfield.sampling.phased import extend
from driftfield.sampling.schedule import karras_sigmas

def fingerprint():
    generator = torch.Generator().manual_seed(2**40 + 5)
    denoise = lambda x, sigma: x.roll(1, -1) / (1 + sigma**2)
    windows = lambda windows, sigma, starts: [denoise(x, sigma) for x in windows]
    noise = torch.randn(6, 4, 8, 8, generator=generator)
    trajectory = sample_trajectory(denoise, noise, karras_sigmas(8, sigma_min=1, sigma_max=9))
    timeline = plan_joins("crossfade", segment=6, total_frames=20, change=torch.ones(8, 8), generator=generator)
    prior = torch.ones(6, 4, 8, 8)
    video = extend(denoise, windows, trajectory, timeline, prior, gamma=0.5, omega=0.2, generator=generator)
    return hashlib.sha256(video.numpy().tobytes()).hexdigest()
"""


def test_a_seed_gives_the_same_result_twice_and_in_another_process():
    scope = {}
    exec(FINGERPRINT, scope)
    here = scope["fingerprint"]()
    assert scope["fingerprint"]() == here
    there = subprocess.run(
        [sys.executable, "-c", FINGERPRINT + "torch.manual_seed(99); print(fingerprint())"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=True,
    )
    assert there.stdout.strip() == here


def test_another_seed_gives_another_result(gaussian, trajectory, prior):
    first, second = (extended(gaussian(), gaussian(), trajectory, prior, seed=seed) for seed in (0, 1))
    assert torch.equal(first[:FRAMES], second[:FRAMES]) and not torch.equal(first[FRAMES:], second[FRAMES:])


def test_what_a_window_raises_stops_the_run_at_once(gaussian, trajectory, prior):
    class Cancel(Exception):
        pass

    denoiser = gaussian()

    def denoise(x, sigma):
        if len(denoiser.seen) == 5:
            raise Cancel
        return denoiser(x, sigma)

    with pytest.raises(Cancel):
        extended(gaussian(), denoise, trajectory, prior)
    assert len(denoiser.seen) == 5


def test_latents_that_are_not_finite_are_an_error_naming_the_step(gaussian, trajectory, prior):
    denoiser = gaussian()

    def denoise(x, sigma):
        x0 = denoiser(x, sigma)
        return x0 * float("nan") if len(denoiser.seen) == 5 else x0

    with pytest.raises(ValueError, match="step 8 of 10"):
        extended(gaussian(), denoise, trajectory, prior)
    assert len(denoiser.seen) == 6, "found after the step"


def test_shared_noise_that_is_not_finite_is_an_error(gaussian, trajectory, prior):
    with pytest.raises(ValueError, match="shared noise before step 7"):
        extended(lambda x, sigma: x * float("nan"), gaussian(), trajectory, prior)


@pytest.mark.parametrize("joins", JOINS)
def test_inputs_and_random_state_stay_as_they_are(gaussian, trajectory, prior, joins):
    def greedy(denoise, x, sigmas, callback):
        for i in range(len(sigmas) - 1):
            x.copy_(denoise(x, sigmas[i]))
            callback({"i": i, "x": x, "sigma": sigmas[i], "denoised": x})
        sigmas.zero_()
        return x

    tensors = [trajectory.sigmas, *trajectory.states, *trajectory.denoised, prior]
    before = [tensor.clone() for tensor in tensors]
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()
    extended(gaussian(), gaussian(), trajectory, prior, sampler=greedy, joins=joins).zero_()
    assert all(torch.equal(tensor, copy) for tensor, copy in zip(tensors, before, strict=True))
    assert torch.equal(torch.get_rng_state(), states[0]) and random.getstate() == states[1]
    assert (np.random.get_state()[1] == states[2]).all()


@pytest.mark.parametrize(
    "changes, name",
    [
        ({"frames": 0}, "total_frames"),
        ({"joins": "glue"}, "joins"),
        ({"gamma": 1.5}, "gamma"),
        ({"omega": -0.1}, "omega"),
        ({"omega": float("nan")}, "omega"),
    ],
)
def test_options_out_of_range_are_refused_by_name(gaussian, trajectory, prior, changes, name):
    with pytest.raises(ValueError, match=f"{name}: got"):
        extended(gaussian(), gaussian(), trajectory, prior, **changes)


def test_a_prior_of_another_shape_is_refused(gaussian, trajectory, prior):
    with pytest.raises(ValueError, match="prior: got shape"):
        extended(gaussian(), gaussian(), trajectory, prior[:1])
