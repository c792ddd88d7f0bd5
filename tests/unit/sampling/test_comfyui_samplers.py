"""ComfyUI's own k-diffusion functions are samplers as they stand."""

import pytest
import torch
from extending import extended

from driftfield.sampling.schedule import karras_sigmas
from driftfield.sampling.trajectory import euler, sample_trajectory

SIGMAS = karras_sigmas(25, sigma_min=0.002, sigma_max=700)

# evaluations of 25 steps, and how far a state may be from the exact one
SAMPLERS = {
    "sample_euler": (25, 0.3),
    "sample_dpmpp_2m": (25, 0.3),
    "sample_lms": (25, 0.3),
    "sample_heun": (49, 0.1),
    "sample_dpm_2": (49, 0.1),
    "sample_heunpp2": (72, 0.2),
    "sample_ipndm": (25, 0.3),  # these report another x than they give the network
    "sample_deis": (25, 0.3),
}


@pytest.mark.parametrize("name", SAMPLERS)
def test_trajectory_is_right_with_any_sampler(comfy_sampling, gaussian, noise, name):
    evaluations, tolerance = SAMPLERS[name]
    denoiser, sampler = gaussian(), getattr(comfy_sampling, name)
    trajectory = sample_trajectory(denoiser, noise, SIGMAS, sampler=sampler)
    assert len(denoiser.seen) == evaluations
    assert torch.equal(trajectory.latents, sampler(gaussian(), trajectory.states[0][None], SIGMAS)[0])
    assert len(trajectory.states) == len(trajectory.denoised) == 26
    assert torch.equal(trajectory.denoised[25], trajectory.states[25])
    for sigma, state, denoised in zip(SIGMAS[:-1], trajectory.states[:-1], trajectory.denoised[:-1], strict=True):
        torch.testing.assert_close(denoised, gaussian()(state[None], sigma)[0], msg=f"{name} at sigma {sigma}")
    # the probability flow of Gaussian data: x(sigma) grows as sqrt(deviation^2 + sigma^2)
    for sigma, state in zip(SIGMAS, trajectory.states, strict=True):
        exact = trajectory.states[0] * ((0.25 + sigma**2) / (0.25 + SIGMAS[0] ** 2)) ** 0.5
        assert (state - exact).std() <= tolerance * exact.std()


def test_our_euler_is_theirs(comfy_sampling, network, conditioning, noise):
    from driftfield.sampling.denoiser import make_denoiser

    denoise = make_denoiser(network, conditioning)
    ours, theirs = (
        sample_trajectory(denoise, noise, SIGMAS, sampler=s).latents for s in (euler, comfy_sampling.sample_euler)
    )
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)


@pytest.mark.parametrize("joins", ["restart", "crossfade"])
@pytest.mark.parametrize("name", ["sample_euler", "sample_heun", "sample_dpmpp_2m"])
def test_second_phase_takes_any_sampler(comfy_sampling, gaussian, noise, prior, name, joins):
    sampler = getattr(comfy_sampling, name)
    trajectory = sample_trajectory(gaussian(), noise, SIGMAS, sampler=sampler)
    videos = [
        extended(gaussian(), gaussian(), trajectory, prior, joins=joins, batch=batch, sampler=sampler)
        for batch in (1, 9)
    ]
    torch.testing.assert_close(*videos, atol=1e-5, rtol=0)
    assert 0.3 < videos[0].std() < 0.7


def test_their_sigmas_plug_in(comfy_sampling, gaussian, noise):
    sigmas = comfy_sampling.get_sigmas_karras(25, 0.002, 700)
    torch.testing.assert_close(sigmas, SIGMAS, rtol=1e-4, atol=0)
    exponential = comfy_sampling.get_sigmas_exponential(12, 0.01, 80)
    assert len(sample_trajectory(gaussian(), noise, exponential).states) == 13
