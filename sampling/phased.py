"""Phased inference with shared noise (paper, section 3.4): K segments for little more than the price of one."""

import torch

from .animate import euler, run
from .schedule import phase_boundary


def share_noise(noise, *, copies, omega, generator):
    """[copies, L, c, h, w]: `noise` [L, c, h, w] with fresh randomness, frames shuffled across segments, eq. 11, 12.

    Each segment is divided by its own standard deviation before the shuffle: n is not of unit variance.
    """
    mixed = torch.randn((copies, *noise.shape), generator=generator).mul_(omega).add_(noise)  # eq. 11
    mixed /= mixed.flatten(1).std(dim=1).view(-1, 1, 1, 1, 1)
    frames = mixed.flatten(0, 1)
    return frames[torch.randperm(len(frames), generator=generator)].view_as(mixed)  # eq. 12


def second_phase_starts(denoise_conditional, trajectory, first, prior, *, copies, omega, generator):
    """z_k = D(z1_M) + sigma_M n_k for k = 2..K, [copies, L, c, h, w] on the CPU; M = first. One evaluation, eq. 10."""
    sigma = trajectory.sigmas[first]
    noisy = (prior.float() + sigma * torch.randn(prior.shape, generator=generator).to(prior.device))[None]
    noise = ((noisy - denoise_conditional(noisy, sigma)) / sigma)[0].cpu()  # eq. 10
    if not noise.isfinite().all():
        raise ValueError(f"shared noise before step {first + 1} (sigma {sigma:.4g}): NaN or infinity")
    shared = share_noise(noise, copies=copies, omega=omega, generator=generator)
    return shared.mul_(sigma).add_(trajectory.denoised[first])


@torch.no_grad()
def extend(
    denoise_conditional,
    denoise_guided,
    trajectory,
    prior,
    *,
    segments,
    gamma,
    omega,
    generator,
    batch_segments=None,
    sampler=euler,
    on_step=None,
    on_segment=None,
):
    """[K L, c, h, w] on the CPU: V1, then K - 1 segments that share its first M = ceil(gamma T) steps, eq. 9-12.

    prior: [L, c, h, w] scaled latents of the still (repeated, or warped) on the network's device; noise is added to
    them, and the network's estimate of that noise, without guidance, is what the segments share.
    batch_segments: how many segments run side by side, None = all; Euler's result does not depend on it.
    generator: on the CPU; one seeded like V1's noise would draw that noise again.
    on_step(i, total, denoised [k L, c, h, w]), i = 0..total-1 over all batches; what it raises stops the run.
    on_segment(k, latents [L, c, h, w]) for k = 2..K, in order, on the CPU.

    Euler evaluates 1 + (K - 1)(T - M) segments, after V1's T. With nothing to denoise, K = 1 or M = T, none: gamma = 1
    repeats V1. ValueError: options out of range, a prior of another shape, latents that are not finite.
    """
    sigmas = trajectory.sigmas
    steps = len(sigmas) - 1
    first = phase_boundary(steps, gamma)
    copies = segments - 1
    if copies < 0:
        raise ValueError(f"segments: got {segments}, allowed 1 or more")
    if not 0 <= omega < float("inf"):
        raise ValueError(f"omega: got {omega}, allowed 0 or more")
    if batch_segments is not None and batch_segments < 1:
        raise ValueError(f"batch_segments: got {batch_segments}, allowed 1 or more, or None")
    if prior.shape != trajectory.latents.shape:
        raise ValueError(f"prior: got shape {list(prior.shape)}, allowed V1's {list(trajectory.latents.shape)}")

    videos = [trajectory.latents]

    def keep(latents):
        videos.append(latents)
        if on_segment is not None:
            on_segment(len(videos), latents)

    if first == steps:
        for _ in range(copies):
            keep(trajectory.latents)
    elif copies:
        starts = second_phase_starts(
            denoise_conditional, trajectory, first, prior, copies=copies, omega=omega, generator=generator
        )
        batches = starts.split(batch_segments or copies)
        total = len(batches) * (steps - first)
        for batch, x in enumerate(batches):
            done = batch * (steps - first)
            x = run(
                denoise_guided,
                x.to(prior.device),
                sigmas,
                first,
                sampler=sampler,
                on_step=on_step and (lambda i, denoised, done=done: on_step(done + i, total, denoised)),
            )
            for latents in x.cpu():
                keep(latents)
    return torch.cat(videos)
