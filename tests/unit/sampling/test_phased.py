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

from driftfield.sampling.animate import animate
from driftfield.sampling.denoiser import make_denoiser
from driftfield.sampling.guidance import guidance_scales, guided
from driftfield.sampling.phased import extend, share_noise
from driftfield.sampling.schedule import karras_sigmas

SIGMAS = karras_sigmas(10, sigma_min=0.002, sigma_max=700)
FRAMES = 5


def seeded(seed=100):
    return torch.Generator().manual_seed(seed)


def options(**changes):
    return {"segments": 4, "gamma": 0.6, "omega": 0.2, "generator": seeded(), **changes}


@pytest.fixture
def trajectory(gaussian, noise):
    return animate(gaussian(), noise, SIGMAS)


@pytest.mark.parametrize("batch_segments", [None, 1, 2, 3])
@pytest.mark.parametrize("segments, gamma, steps", [(5, 0.8, 25), (2, 0, 4), (3, 0.28, 25), (7, 0.55, 9)])
def test_evaluations_of_an_extension(conditioning, noise, prior, segments, gamma, steps, batch_segments):
    evaluations, in_network = [], []

    def network(sample, *args, **kwargs):
        in_network.append(len(sample))
        return sample[:, :, :4]

    conditional = make_denoiser(network, conditioning, count=evaluations.append)
    unconditional = make_denoiser(network, conditioning.unconditional())
    denoise = guided(conditional, unconditional, guidance_scales(1, 3, FRAMES))
    trajectory = animate(denoise, noise, karras_sigmas(steps, sigma_min=0.002, sigma_max=700))
    assert sum(evaluations) == steps
    video = extend(
        conditional,
        denoise,
        trajectory,
        prior,
        **options(segments=segments, gamma=gamma, batch_segments=batch_segments),
    )
    later = (segments - 1) * (steps - math.ceil(Fraction(str(gamma)) * steps))
    assert sum(evaluations) == steps + 1 + later
    assert sum(in_network) == 2 * steps + 1 + 2 * later
    assert max(evaluations) == min(segments - 1, batch_segments or segments)
    assert video.shape == (segments * FRAMES, 4, 8, 8)


@pytest.mark.parametrize("segments, gamma", [(3, 1), (1, 0.5), (1, 0)])
def test_nothing_to_denoise_repeats_the_first_segment_exactly(trajectory, prior, segments, gamma):
    def refuse(x, sigma):
        raise AssertionError("no evaluation is needed")

    segments_seen = []
    video = extend(
        refuse,
        refuse,
        trajectory,
        prior,
        **options(segments=segments, gamma=gamma),
        on_segment=lambda k, latents: segments_seen.append(k),
    )
    assert torch.equal(video, trajectory.latents.repeat(segments, 1, 1, 1))
    assert segments_seen == list(range(2, segments + 1))


def test_first_segment_is_kept_and_the_others_differ(gaussian, trajectory, prior):
    video = extend(gaussian(), gaussian(), trajectory, prior, **options(gamma=0.2)).unflatten(0, (4, FRAMES))
    assert torch.equal(video[0], trajectory.latents)
    distance = torch.cdist(video.flatten(1), video.flatten(1))
    assert (distance + torch.eye(4) > 0.1).all()


def test_gamma_zero_runs_every_segment_over_all_steps(gaussian, trajectory, prior):
    conditional, denoiser = gaussian(), gaussian()
    extend(conditional, denoiser, trajectory, prior, **options(gamma=0, batch_segments=1))
    assert conditional.seen == SIGMAS[:1].tolist()
    assert denoiser.seen == SIGMAS[:-1].tolist() * 3


def test_second_phase_visits_the_rest_of_the_schedule(gaussian, trajectory, prior):
    conditional, denoiser = gaussian(), gaussian()
    extend(conditional, denoiser, trajectory, prior, **options(gamma=0.6, batch_segments=1))
    assert conditional.seen == SIGMAS[6:7].tolist()
    assert denoiser.seen == SIGMAS[6:-1].tolist() * 3


def test_second_phase_starts_from_the_estimate_of_the_first_and_unit_noise(gaussian, trajectory, prior):
    conditional, denoiser = gaussian(spread=0.01), gaussian()
    extend(conditional, denoiser, trajectory, prior, **options())
    [noisy], starts = conditional.inputs[0], denoiser.inputs[0]
    noise = (noisy - prior) / SIGMAS[6]
    assert noise.std() == pytest.approx(1, abs=0.1)
    assert (torch.corrcoef(noise.flatten(1)) - torch.eye(FRAMES)).abs().max() < 0.3, "one noise a frame"
    shared = (starts - trajectory.denoised[6]) / SIGMAS[6]
    assert shared.std() == pytest.approx(1, abs=0.01)


def test_segments_share_the_predicted_noise_in_units_of_sigma(gaussian, trajectory, prior, randn):
    predicted, denoiser = randn(*prior.shape, seed=9), gaussian()
    extend(lambda x, sigma: x - sigma * predicted, denoiser, trajectory, prior, **options(gamma=0.8, omega=0.5))
    shared = (denoiser.inputs[0] - trajectory.denoised[8]) / SIGMAS[8]
    frames = torch.cat([predicted.flatten(1), shared.flatten(0, 1).flatten(1)])
    same = torch.corrcoef(frames)[:FRAMES, FRAMES:].amax(0)
    assert same.mean() == pytest.approx(1 / (1 + 0.5**2) ** 0.5, abs=0.02)  # eq. 11 with n of unit variance


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


@pytest.mark.parametrize("omega", [0.0, 0.2])
def test_batched_and_one_by_one_agree(network, conditioning, noise, prior, omega):
    conditional = make_denoiser(network, conditioning)
    unconditional = make_denoiser(network, conditioning.unconditional())
    denoise = guided(conditional, unconditional, guidance_scales(1, 3, FRAMES))
    trajectory = animate(denoise, noise, SIGMAS)
    one_by_one, pairs, batched = (
        extend(conditional, denoise, trajectory, prior, **options(omega=omega, batch_segments=batch_segments))
        for batch_segments in (1, 2, None)
    )
    assert one_by_one[FRAMES:].std() > 0.1
    torch.testing.assert_close(batched, one_by_one, atol=1e-4, rtol=0)
    torch.testing.assert_close(pairs, one_by_one, atol=1e-4, rtol=0)


FINGERPRINT = """
import hashlib, torch
from driftfield.sampling.animate import animate
from driftfield.sampling.phased import extend
from driftfield.sampling.schedule import karras_sigmas

def fingerprint():
    generator = torch.Generator().manual_seed(2**40 + 5)
    denoise = lambda x, sigma: x.roll(1, -1) / (1 + sigma**2)
    noise = torch.randn(5, 4, 8, 8, generator=generator)
    trajectory = animate(denoise, noise, karras_sigmas(8, sigma_min=1, sigma_max=9))
    prior = torch.ones(5, 4, 8, 8)
    video = extend(denoise, denoise, trajectory, prior, segments=4, gamma=0.5, omega=0.2, generator=generator)
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
    first, second = (
        extend(gaussian(), gaussian(), trajectory, prior, **options(generator=seeded(seed))) for seed in (0, 1)
    )
    assert torch.equal(first[:FRAMES], second[:FRAMES]) and not torch.equal(first[FRAMES:], second[FRAMES:])


@pytest.mark.parametrize("batch_segments, total", [(None, 4), (1, 12), (2, 8)])
def test_reports_rise_over_all_batches(gaussian, trajectory, prior, batch_segments, total):
    steps, done = [], []
    video = extend(
        gaussian(),
        gaussian(),
        trajectory,
        prior,
        **options(batch_segments=batch_segments),
        on_step=lambda i, total, denoised: steps.append((i, total, denoised.shape[1:])),
        on_segment=lambda k, latents: done.append((k, latents)),
    )
    assert steps == [(i, total, prior.shape[1:]) for i in range(total)]
    assert [k for k, _ in done] == [2, 3, 4]
    assert torch.equal(torch.cat([latents for _, latents in done]), video[FRAMES:])


def test_what_a_report_raises_stops_the_run_at_once(gaussian, trajectory, prior):
    class Cancel(Exception):
        pass

    def on_step(i, total, denoised):
        if i == 5:
            raise Cancel

    denoiser = gaussian()
    with pytest.raises(Cancel):
        extend(gaussian(), denoiser, trajectory, prior, **options(batch_segments=1), on_step=on_step)
    assert len(denoiser.seen) == 6


@pytest.mark.parametrize("on_step, evaluations", [(None, 8), (lambda i, total, denoised: None, 6)])
def test_latents_that_are_not_finite_are_an_error_naming_the_step(gaussian, trajectory, prior, on_step, evaluations):
    denoiser = gaussian()

    def denoise(x, sigma):
        x0 = denoiser(x, sigma)
        return x0 * float("nan") if len(denoiser.seen) == 6 else x0

    with pytest.raises(ValueError, match="step 8 of 10"):
        extend(gaussian(), denoise, trajectory, prior, **options(batch_segments=1), on_step=on_step)
    assert len(denoiser.seen) == evaluations


def test_shared_noise_that_is_not_finite_is_an_error(gaussian, trajectory, prior):
    with pytest.raises(ValueError, match="shared noise before step 7"):
        extend(lambda x, sigma: x * float("nan"), gaussian(), trajectory, prior, **options())


def test_inputs_and_random_state_stay_as_they_are(gaussian, trajectory, prior):
    def greedy(denoise, x, sigmas, callback):
        for i in range(len(sigmas) - 1):
            x.copy_(denoise(x, sigmas[i]))
            callback({"i": i, "x": x, "sigma": sigmas[i], "denoised": x})
        sigmas.zero_()
        return x

    tensors = [trajectory.sigmas, *trajectory.states, *trajectory.denoised, prior]
    before = [tensor.clone() for tensor in tensors]
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()
    extend(gaussian(), gaussian(), trajectory, prior, **options(), sampler=greedy)
    assert all(torch.equal(tensor, copy) for tensor, copy in zip(tensors, before, strict=True))
    assert torch.equal(torch.get_rng_state(), states[0]) and random.getstate() == states[1]
    assert (np.random.get_state()[1] == states[2]).all()


@pytest.mark.parametrize(
    "changes, name",
    [
        ({"segments": 0}, "segments"),
        ({"gamma": 1.5}, "gamma"),
        ({"omega": -0.1}, "omega"),
        ({"omega": float("nan")}, "omega"),
        ({"batch_segments": 0}, "batch_segments"),
    ],
)
def test_options_out_of_range_are_refused_by_name(gaussian, trajectory, prior, changes, name):
    with pytest.raises(ValueError, match=f"{name}: got"):
        extend(gaussian(), gaussian(), trajectory, prior, **options(**changes))


def test_a_prior_of_another_shape_is_refused(gaussian, trajectory, prior):
    with pytest.raises(ValueError, match="prior: got shape"):
        extend(gaussian(), gaussian(), trajectory, prior[:1], **options())
