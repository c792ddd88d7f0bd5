"""The network as denoise(x, sigma): against diffusers, what is handed to it, guidance, and MotionUNet as a network."""

import dataclasses

import pytest
import torch
from extending import extended
from noise import randn
from tiny import svd_scheduler, tiny_unet

from driftfield.networks.motion_unet import AdapterConfig, MotionAdapter, MotionUNet
from driftfield.sampling.denoiser import make_denoiser
from driftfield.sampling.guidance import guidance_scales, guided, guided_in_one_pass
from driftfield.sampling.schedule import karras_sigmas
from driftfield.sampling.trajectory import sample_trajectory

SIGMAS = karras_sigmas(4, sigma_min=0.002, sigma_max=700)


def test_estimate_is_that_of_diffusers(network, unet, conditioning):
    scheduler = svd_scheduler()
    scheduler.set_timesteps(6)
    x = randn(1, *conditioning.reference.shape, seed=5)
    with torch.no_grad():
        for t, sigma in zip(scheduler.timesteps, scheduler.sigmas[:-1], strict=True):
            state = x * sigma
            sample = torch.cat([scheduler.scale_model_input(state, t), conditioning.reference[None]], dim=2)
            v = unet(sample, t, conditioning.image_embedding, conditioning.added_time_ids).sample
            expected = scheduler.step(v, t, state).pred_original_sample
            got = make_denoiser(network, conditioning)(state, sigma)
            torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)


def test_network_sees_the_time_steps_of_diffusers(conditioning):
    scheduler = svd_scheduler()
    scheduler.set_timesteps(25)
    seen = []

    def network(sample, timestep, *args, **kwargs):
        seen.append(timestep)
        return torch.zeros_like(sample[:, :, :4])

    for sigma in scheduler.sigmas[:-1]:
        make_denoiser(network, conditioning)(randn(2, *conditioning.reference.shape), sigma)
    torch.testing.assert_close(torch.stack(seen), scheduler.timesteps[:, None].expand(-1, 2), rtol=1e-6, atol=0)


def test_everything_is_handed_to_every_segment(conditioning):
    calls, counted = [], []
    motion = (randn(5, 3, 4, 4),)
    conditioning = dataclasses.replace(conditioning, motion=motion, motion_scale=0.7, strength_percent=140.0)

    def network(*args, **kwargs):
        calls.append((args, kwargs))
        return torch.zeros_like(args[0][:, :, :4])

    x = randn(3, *conditioning.reference.shape)
    sigmas = torch.tensor([1.0, 2.0, 3.0])
    denoised = make_denoiser(network, conditioning, count=counted.append)(x, sigmas)
    [((sample, timestep, embedding, ids), options)] = calls
    assert counted == [3]
    assert sample.shape == (3, 5, 8, 8, 8) and (sample[:, :, 4:] == conditioning.reference).all()
    torch.testing.assert_close(timestep, sigmas.log() / 4)
    assert embedding.shape == (3, 1, 16) and ids.shape == (3, 3)
    assert options["motion"] is motion and options["motion_scale"] == 0.7
    assert options["strength_percent"].tolist() == [140, 140, 140]
    torch.testing.assert_close(denoised, x / (sigmas**2 + 1).view(3, 1, 1, 1, 1))


def test_half_precision_networks_get_half_and_latents_stay_float(conditioning):
    half = dataclasses.replace(conditioning, reference=conditioning.reference.half())

    def network(sample, *args, **kwargs):
        assert sample.dtype == torch.float16
        return sample[:, :, :4]

    assert make_denoiser(network, half)(randn(1, 5, 4, 8, 8), torch.tensor(700.0)).dtype == torch.float32


def test_unconditional_zeroes_embedding_reference_and_motion_only(conditioning):
    conditioning = dataclasses.replace(conditioning, motion=(randn(1, 3, 4, 4),), strength_percent=140.0)
    without = conditioning.unconditional()
    assert not without.image_embedding.any() and not without.reference.any() and without.motion is None
    assert without.added_time_ids is conditioning.added_time_ids and without.strength_percent == 140.0
    assert conditioning.image_embedding.any() and conditioning.reference.any() and conditioning.motion is not None


def test_guidance_scales_rise_evenly_over_the_frames():
    torch.testing.assert_close(guidance_scales(1, 3, 5), torch.tensor([1, 1.5, 2, 2.5, 3]))
    assert guidance_scales(1, 3, 1).tolist() == [1]


def test_guidance_weighs_every_frame_by_its_own_scale():
    with_image, without = randn(2, 3, 4, 8, 8), randn(2, 3, 4, 8, 8, seed=1)
    denoise = guided(lambda x, s: with_image, lambda x, s: without, torch.tensor([0.0, 1.0, 3.0]))
    x0 = denoise(with_image, torch.tensor(1.0))
    torch.testing.assert_close(x0[:, 0], without[:, 0])
    torch.testing.assert_close(x0[:, 1], with_image[:, 1])
    torch.testing.assert_close(x0[:, 2], 3 * with_image[:, 2] - 2 * without[:, 2])


@pytest.mark.parametrize("maximum, passes", [(1.0, 1), (3.0, 2), (0.5, 2)])
def test_a_scale_of_one_everywhere_needs_no_second_pass(gaussian, noise, maximum, passes):
    denoiser = gaussian()
    guided(denoiser, denoiser, guidance_scales(1, maximum, 5))(noise[None], torch.tensor(1.0))
    assert len(denoiser.seen) == passes


@pytest.mark.parametrize("segments", [1, 2])
@pytest.mark.parametrize("moving", [False, True])
def test_guidance_in_one_pass_is_guidance_in_two(conditioning, segments, moving):
    """A network that is linear in its conditioning, and takes no motion for motion of zeros."""
    seen = []

    def network(sample, timestep, embedding, ids, *, motion, motion_scale, strength_percent):
        seen.append(len(sample))
        total = embedding.mean((1, 2)) + ids.sum(1) + timestep + strength_percent
        if motion is not None:
            assert len(motion[0]) in (1, len(sample))
            total = total + motion_scale * motion[0].mean((1, 2, 3, 4))
        return sample[:, :, :4] + sample[:, :, 4:] + total.view(-1, 1, 1, 1, 1)

    motion = (randn(1, 4, 3, 4, 4, seed=7),) if moving else None
    complete = dataclasses.replace(conditioning, motion=motion, motion_scale=2.0, strength_percent=140.0)
    x, scale = randn(segments, *conditioning.reference.shape), guidance_scales(1, 3, 5)
    two = guided(make_denoiser(network, complete), make_denoiser(network, complete.unconditional()), scale)
    one = guided_in_one_pass(network, complete, scale)
    for sigma in (torch.tensor(3.0), torch.linspace(1, 2, segments)):
        expected = two(x, sigma)
        seen.clear()
        torch.testing.assert_close(one(x, sigma), expected)
        assert seen == [2 * segments]
    seen.clear()
    guided_in_one_pass(network, complete, torch.ones(5))(x, torch.tensor(3.0))
    assert seen == [segments]


def test_a_motion_unet_without_an_adapter_is_its_unet(network, unet, conditioning, noise):
    plain = sample_trajectory(make_denoiser(network, conditioning), noise, SIGMAS)
    same = sample_trajectory(make_denoiser(MotionUNet(unet), conditioning), noise, SIGMAS)
    assert torch.equal(plain.latents, same.latents)


def test_motion_and_strength_of_a_motion_unet_reach_every_segment(conditioning, noise, prior):
    unet = tiny_unet()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        adapter = MotionAdapter(AdapterConfig.for_unet(unet)).eval()
        for parameter in adapter.parameters():
            torch.nn.init.normal_(parameter, std=0.1)
    network = MotionUNet(unet, adapter).requires_grad_(False)
    motion = network.encode_motion(3 * randn(4, 2, 64, 64, seed=8))
    moving = dataclasses.replace(conditioning, motion=motion, strength_percent=120.0)
    denoise = make_denoiser(network, moving)
    trajectory = sample_trajectory(denoise, noise, SIGMAS)
    assert not torch.allclose(
        trajectory.latents, sample_trajectory(make_denoiser(network, conditioning), noise, SIGMAS).latents, atol=1e-3
    )
    one_by_one, batched = (
        extended(denoise, denoise, trajectory, prior, frames=15, gamma=0.5, batch=batch) for batch in (1, 2)
    )
    torch.testing.assert_close(batched, one_by_one, atol=1e-4, rtol=0)
