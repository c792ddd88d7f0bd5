"""The first segment V1: a full run of a sampler, and the trajectory that the second phase starts from.

A sampler is any callable sampler(denoise, x, sigmas, callback=...) -> x that calls callback({"i", "x", "sigma",
"denoised", ...}) once a step: k-diffusion's functions, and so ComfyUI's, are samplers as they stand.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .schedule import check_sigmas, init_noise_scale

Denoise = Callable[[Tensor, Tensor], Tensor]  # (x [K, L, c, h, w], sigma [] or [K]) -> x0 like x
Sampler = Callable[..., Tensor]  # (denoise, x, sigmas [T + 1], callback=...) -> x

SAME_LEVEL = 1e-4  # of sigma: what samplers that compute it from its logarithm may be off


@dataclass(frozen=True)
class Trajectory:
    """A whole run on the CPU: before step i the state is states[i] at sigmas[i], and its estimate denoised[i]."""

    sigmas: Tensor  # [T + 1]
    states: tuple[Tensor, ...]  # T + 1 of [L, c, h, w]
    denoised: tuple[Tensor, ...]  # T + 1 of [L, c, h, w]; the last is states[T]

    @property
    def latents(self) -> Tensor:
        """[L, c, h, w]."""
        return self.states[-1]


def euler(
    denoise: Denoise, x: Tensor, sigmas: Tensor, callback: Callable[[dict[str, Any]], None] | None = None
) -> Tensor:
    """Euler's method, Karras et al. 2022, algorithm 1 without the correction."""
    for i, (sigma, sigma_next) in enumerate(zip(sigmas[:-1], sigmas[1:], strict=True)):
        denoised = denoise(x, sigma)
        if callback is not None:
            callback({"i": i, "x": x, "sigma": sigma, "denoised": denoised})
        x = x + (x - denoised) / sigma * (sigma_next - sigma)
    return x


def run(
    denoise: Denoise,
    x: Tensor,
    sigmas: Tensor,
    first: int,
    *,
    sampler: Sampler,
    on_step: Callable[[int, Tensor], None] | None = None,
) -> Tensor:
    """`sampler` takes x [K, L, c, h, w] from sigmas[first] to the schedule's end.

    Each step calls on_step(i - first, denoised [K L, c, h, w]). ValueError naming the step whose latents are not
    finite: at once where the step is reported, for a report waits for the device anyway, and otherwise at the end, so
    that no step has to.
    """
    finite = []

    def refuse_nan() -> None:
        for i, good in enumerate(torch.stack(finite).tolist(), first):
            if not good:
                steps = len(sigmas) - 1
                step = min(i + 1, steps)
                raise ValueError(f"step {step} of {steps} (sigma {sigmas[step - 1]:.4g}): NaN or infinity in latents")

    def callback(step: dict[str, Any]) -> None:
        denoised = step["denoised"]
        finite.append(denoised.isfinite().all())
        if on_step is not None:
            refuse_nan()
            on_step(step["i"], denoised.flatten(0, 1))

    x = sampler(denoise, x, sigmas[first:].to(x, copy=True), callback=callback)
    finite.append(x.isfinite().all())
    refuse_nan()
    return x


def first_state(noise: Tensor, sigma: Tensor, start: Tensor | None = None) -> Tensor:
    """[.., L, c, h, w]: unit noise at level sigma [], with variance for the data to come; or around latents `start`."""
    return noise * init_noise_scale(sigma) if start is None else start + sigma * noise


@torch.no_grad()
def sample_trajectory(
    denoise: Denoise,
    noise: Tensor,
    sigmas: Tensor,
    *,
    start: Tensor | None = None,
    sampler: Sampler = euler,
    on_step: Callable[[int, int, Tensor], None] | None = None,
) -> Trajectory:
    """V1 = D(z_1:T), eq. 9, from unit noise [L, c, h, w] on the network's device, as a Trajectory.

    start: latents [L, c, h, w] that the noise is added to, where sampling begins at a level that does not hide them.

    on_step(i, T, denoised [L, c, h, w]), i = 0..T-1, once a step; whatever it raises stops the run there.
    ValueError: sigmas that do not decrease, latents that are not finite, a sampler that leaves out levels of them.
    """
    check_sigmas(sigmas)
    sigmas = sigmas.to("cpu", torch.float32)
    steps = len(sigmas) - 1
    states: dict[int, Tensor] = {}
    estimates: dict[int, Tensor] = {}

    def seen(x: Tensor, sigma: Tensor) -> Tensor:
        """Keeps what the network is given last at each level: some samplers report another x, or try one out before."""
        denoised = denoise(x, sigma)
        if sampler is euler:
            step, at_level = len(states), True  # without waiting for the device to tell sigma
        else:
            distance = (sigmas[:-1] - sigma.flatten()[0].cpu()).abs()
            step = int(distance.argmin())
            at_level = distance[step] <= SAME_LEVEL * sigmas[step]
        if at_level:
            states[step], estimates[step] = copied(x), copied(denoised)
        return denoised

    def copied(x: Tensor) -> Tensor:  # does not wait for the device; the last, blocking copy comes after all of them
        return x[0].to("cpu", non_blocking=True, copy=True)

    x = run(
        seen,
        first_state(noise.float(), sigmas[0], start)[None],
        sigmas,
        0,
        sampler=sampler,
        on_step=on_step and (lambda i, denoised: on_step(i, steps, denoised)),
    )
    if len(states) != steps:
        raise ValueError(f"sampler: it was at {len(states)} levels of the schedule's {steps}, allowed: at all of them")
    latents = x[0].cpu()
    order = range(steps)
    return Trajectory(sigmas, (*(states[i] for i in order), latents), (*(estimates[i] for i in order), latents))


def seed_after(seed: int, k: int) -> int:
    """The k-th seed after `seed`: after 2^64 - 1 comes 0, for torch takes no larger ones."""
    return (seed + k) % 2**64


def extension_noise(seed: int) -> torch.Generator:
    """A generator for what follows a segment: none of its numbers are those of the segment sampled with this seed."""
    return torch.Generator().manual_seed(seed ^ 0x9E3779B97F4A7C15)
