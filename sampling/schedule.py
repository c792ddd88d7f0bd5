"""Noise levels: which sigmas are visited, and where the second phase begins."""

import math
from typing import overload

import torch
from torch import Tensor


def karras_sigmas(steps: int, *, sigma_min: float, sigma_max: float, rho: float = 7.0) -> Tensor:
    """[T + 1] float32: T levels from sigma_max to sigma_min (Karras et al. 2022, eq. 5), then 0.

    Equals diffusers' EulerDiscreteScheduler with use_karras_sigmas. One step gives [sigma_max, 0].
    ValueError where steps < 1 or the range is not 0 < sigma_min <= sigma_max.
    """
    if steps < 1:
        raise ValueError(f"steps: got {steps}, allowed 1 or more")
    if not 0 < sigma_min <= sigma_max < math.inf:
        raise ValueError(f"sigma range: got {sigma_min}..{sigma_max}, allowed 0 < sigma_min <= sigma_max")
    ramp = torch.linspace(0, 1, steps, dtype=torch.float64)
    high, low = sigma_max ** (1 / rho), sigma_min ** (1 / rho)
    sigmas = (high + ramp * (low - high)) ** rho
    return torch.cat([sigmas, sigmas.new_zeros(1)]).float()


def check_sigmas(sigmas: Tensor) -> None:
    """ValueError unless sigmas is [T + 1], T >= 1, finite, strictly decreasing and not below 0."""
    if sigmas.ndim != 1 or len(sigmas) < 2:
        raise ValueError(f"sigmas: got shape {list(sigmas.shape)}, allowed [T + 1] with T >= 1")
    if not (sigmas.isfinite().all() and (sigmas.diff() < 0).all() and sigmas[-1] >= 0):
        raise ValueError(f"sigmas: got {sigmas.tolist()}, allowed finite, strictly decreasing, ending at 0 or above")


@overload
def init_noise_scale(sigma_max: float) -> float: ...


@overload
def init_noise_scale(sigma_max: Tensor) -> Tensor: ...


def init_noise_scale(sigma_max: float | Tensor) -> float | Tensor:
    """What unit noise is multiplied with to give the first state: sqrt(sigma^2 + 1).

    The variance of data of unit variance plus noise; diffusers' init_noise_sigma for SVD's "leading" time steps.
    """
    return (sigma_max**2 + 1) ** 0.5


def phase_boundary(steps: int, gamma: float) -> int:
    """M = floor(gamma T), eq. 9: the number of steps all segments share.

    Rounded down, for the last step alone begins at sigma_min and draws nothing anew: of 6 steps 0.8 shares 4. Float
    error does not count: 0.29 * 100 = 28.999999999999996 is 29. ValueError where gamma is not in 0..1.
    """
    if not 0 <= gamma <= 1:
        raise ValueError(f"gamma: got {gamma}, allowed 0..1")
    return math.floor(gamma * steps + 1e-9)
