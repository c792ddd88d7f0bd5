"""Phased inference with shared noise (paper, section 3.4): K segments for little more than the price of one."""

import itertools
from collections.abc import Callable

import torch
from torch import Tensor

from .joins import Timeline
from .schedule import phase_boundary
from .trajectory import Denoise, Sampler, Trajectory, euler, run
from .windows import DenoiseWindows


def share_noise(noise: Tensor, *, copies: int, omega: float, generator: torch.Generator) -> Tensor:
    """[copies, L, ...]: `noise` [L, ...] with fresh randomness, frames shuffled across segments, eq. 11, 12.

    Each segment is divided by its own standard deviation before the shuffle: n is not of unit variance.
    """
    mixed = torch.randn((copies, *noise.shape), generator=generator).mul_(omega).add_(noise)  # eq. 11
    mixed /= mixed.flatten(1).std(dim=1).view(-1, *[1] * noise.ndim)
    frames = mixed.flatten(0, 1)
    return frames[torch.randperm(len(frames), generator=generator)].view_as(mixed)  # eq. 12


def second_phase_starts(
    denoise_conditional: Denoise,
    trajectory: Trajectory,
    timeline: Timeline,
    first: int,
    prior: Tensor,
    *,
    omega: float,
    generator: torch.Generator,
    place: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """z = D(z1_M) + sigma_M n, [N - kept, c, h, w], of the frames that are not kept; M = first. One evaluation."""
    sigma = trajectory.sigmas[first]
    noisy = (prior.float() + sigma * torch.randn(prior.shape, generator=generator).to(prior.device))[None]  # eq. 1
    noise = ((noisy - denoise_conditional(noisy, sigma)) / sigma)[0].cpu()  # eq. 10
    if not noise.isfinite().all():
        raise ValueError(f"shared noise before step {first + 1} (sigma {sigma:.4g}): NaN or infinity")
    count = len(timeline) - timeline.kept
    shared = share_noise(noise, copies=-(-count // timeline.segment), omega=omega, generator=generator)
    estimate = timeline.blend(trajectory.denoised[first], timeline.kept)
    if place is not None:
        estimate = place(estimate)
    return shared.flatten(0, 1)[:count].mul_(sigma).add_(estimate)


def over_windows(denoise_windows: DenoiseWindows, trajectory: Trajectory, timeline: Timeline) -> Denoise:
    """denoise(x [1, N - kept, c, h, w], sigma) -> x0, from denoise_windows.

    Every other call's windows begin `window_offset` frames earlier. Those that begin before the first frame of x see V1
    as it was at that noise level.
    """
    calls = itertools.count()

    def denoise(x: Tensor, sigma: Tensor) -> Tensor:
        sigma = sigma.flatten()[0].cpu()
        windows = timeline.windows(shifted=next(calls) % 2 == 0)
        video = torch.cat([state_at(trajectory, sigma)[: timeline.kept], x[0].cpu()])
        starts = [start for start, _ in windows]
        estimates = denoise_windows([video[start : start + timeline.segment] for start in starts], sigma, starts)
        given = [x0[new - start :] for (start, new), x0 in zip(windows, estimates, strict=True)]
        return torch.cat(given)[None].to(x)

    return denoise


def state_at(trajectory: Trajectory, sigma: Tensor) -> Tensor:
    """V1 [L, c, h, w] at noise level sigma: a state of its run, or on Euler's line from the state before it."""
    i = max(0, int((trajectory.sigmas[:-1] >= sigma).sum()) - 1)
    weight = sigma / trajectory.sigmas[i]
    return trajectory.denoised[i] * (1 - weight) + trajectory.states[i] * weight


@torch.no_grad()
def extend(
    denoise_conditional: Denoise,
    denoise_windows: DenoiseWindows,
    trajectory: Trajectory,
    timeline: Timeline,
    prior: Tensor,
    *,
    gamma: float,
    omega: float,
    generator: torch.Generator,
    sampler: Sampler = euler,
    place: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """[N, c, h, w] on the CPU: V1, then frames that share its first M = floor(gamma T) steps, eq. 9-12.

    denoise_windows(windows, sigma, starts) -> estimates x0, lists of [L, c, h, w] on the CPU: the network, with
    guidance, on windows that begin at these frames of the timeline (`joins.plan_joins`), conditioned accordingly.
    prior: [L, c, h, w] scaled latents of the still (repeated, or warped) on the network's device; noise is added to
    them, and the network's estimate of that noise, without guidance, is what the segments share.
    generator: on the CPU; one seeded like V1's noise would draw that noise again.
    place: changes what is carried over from V1, x0 [N - kept, c, h, w] of the frames that are not kept.

    `evaluations` says what it costs after V1's T. With nothing to denoise, N <= L or M = T, none: gamma = 1 repeats V1.
    ValueError: options out of range, a prior of another shape, latents that are not finite.
    """
    sigmas = trajectory.sigmas
    first = phase_boundary(len(sigmas) - 1, gamma)
    if not 0 <= omega < float("inf"):
        raise ValueError(f"omega: got {omega}, allowed 0 or more")
    if prior.shape != trajectory.latents.shape:
        raise ValueError(f"prior: got shape {list(prior.shape)}, allowed V1's {list(trajectory.latents.shape)}")
    kept = trajectory.latents[: timeline.kept]
    if len(timeline) == len(kept):
        return kept.clone()
    if first == len(sigmas) - 1:
        repeated = timeline.blend(trajectory.latents, len(kept))
        return torch.cat([kept, place(repeated) if place else repeated])
    starts = second_phase_starts(
        denoise_conditional, trajectory, timeline, first, prior, omega=omega, generator=generator, place=place
    )
    denoise = over_windows(denoise_windows, trajectory, timeline)
    # A report for every step, so that latents that are not finite are found at once.
    starts = starts[None].to(prior.device)
    extension = run(denoise, starts, sigmas, first, sampler=sampler, on_step=lambda i, denoised: None)[0]
    return torch.cat([kept, extension.cpu()])


def window_counts(timeline: Timeline, *, steps: int, gamma: float) -> list[int]:
    """How many windows of L frames each step of the second phase has with Euler."""
    left = steps - phase_boundary(steps, gamma)
    return [len(timeline.windows(shifted=call % 2 == 0)) for call in range(left)]


def evaluations(timeline: Timeline, *, steps: int, gamma: float) -> int:
    """How many windows of L frames the network sees with Euler, after V1's own T = steps.

    "restart": 1 + (K - 1)(T - M) for K = ceil(N / L). The others need up to one window more in every step.
    """
    windows = sum(window_counts(timeline, steps=steps, gamma=gamma))
    return 1 + windows if windows else 0
