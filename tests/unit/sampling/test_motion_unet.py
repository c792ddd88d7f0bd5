"""The seam with networks: a MotionUNet is a network for the samplers, with and without an adapter."""

import dataclasses

import torch
from extending import extended
from tiny import tiny_unet

from driftfield.networks.motion_unet import AdapterConfig, MotionAdapter, MotionUNet
from driftfield.sampling.denoiser import make_denoiser
from driftfield.sampling.schedule import karras_sigmas
from driftfield.sampling.trajectory import sample_trajectory

SIGMAS = karras_sigmas(4, sigma_min=0.002, sigma_max=700)


def test_without_an_adapter_it_is_the_unet(network, unet, conditioning, noise):
    plain = sample_trajectory(make_denoiser(network, conditioning), noise, SIGMAS)
    motion = sample_trajectory(make_denoiser(MotionUNet(unet), conditioning), noise, SIGMAS)
    assert torch.equal(plain.latents, motion.latents)


def test_motion_and_strength_reach_every_segment(conditioning, noise, prior, randn):
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
