"""Noise levels that mean the same to every model: as noise over signal, whatever its schedule counts in.

A model's sigma is noise over signal itself, or, where states are (1 - sigma) data + sigma noise ("flow"), noise over
noise and signal together. Shares of a schedule run from 0, where sampling begins, to 1, as ComfyUI's start_percent.
"""

import math
from collections.abc import Callable

from torch import Tensor

from .schedule import phase_boundary

AUTOMATIC = -1.0  # a share
FREE = math.inf  # a level that no noise is above
SAME_LEVEL = 1e-5  # of sigma: shares become levels in double precision, schedules are float32
WEAK, STRONG = 75.0, 31.0  # noise over signal at Time-to-Move's two levels, on SVD's schedule
SVD_STEPS, SVD_SIGMAS, SVD_RHO = 25, (700.0, 0.002), 7.0  # what gamma = 0.8 was found on
NOISE, SCHEDULE, STEPS = "noise", "schedule", "steps"
GAMMA_COUNTS = [NOISE, SCHEDULE, STEPS]


def sigma_at(ratio: float, *, flow: bool) -> float:
    """The sigma at which noise over signal is `ratio`."""
    if not flow:
        return ratio
    return ratio / (1 + ratio) if ratio < math.inf else 1.0


def share_of(sigma: float, percent_to_sigma: Callable[[float], float]) -> float:
    """0..1: which share of the schedule has passed where the noise has come down to sigma. To 1e-8; 0 is exact."""
    low, high = 0.0, 1.0
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if percent_to_sigma(middle) > sigma else (low, middle)
    return high if low > 0 else 0.0


def steps_above(sigmas: Tensor, level: float) -> int:
    """How many steps of the schedule [T + 1] begin at more noise than `level`."""
    return int((sigmas[:-1] > level * (1 + SAME_LEVEL)).sum()) if level < math.inf else 0


def one_step_longer(sigmas: Tensor, weak: float, strong: float, percent_to_sigma: Callable[[float], float]) -> float:
    """`strong`, lowered where few steps would hold what moves no longer than everything.

    The first step not above `weak` then holds what moves; it ends at the level that is returned. Of a run that begins
    in the middle of a schedule, as the second of two experts does, the step before it is taken to be as long, in
    shares, as its first.
    """
    first = steps_above(sigmas, weak)
    if first == len(sigmas) - 1:
        return strong
    if first == 0:
        begins, ends = (share_of(float(sigma), percent_to_sigma) for sigma in sigmas[:2])
        if begins > 0 and not percent_to_sigma(max(2 * begins - ends, 0.0)) > weak * (1 + SAME_LEVEL):
            return strong
    return min(strong, float(sigmas[first + 1]))


def phase_ratio(gamma: float) -> float:
    """Noise over signal after the share gamma of the 25 steps on which the second phase was tried with SVD, 0..1."""
    if gamma == 0:
        return math.inf
    high, low = (sigma ** (1 / SVD_RHO) for sigma in SVD_SIGMAS)
    passed = gamma * SVD_STEPS / (SVD_STEPS - 1)
    return (high + passed * (low - high)) ** SVD_RHO if passed <= 1 else 0.0


def shared_steps(
    sigmas: Tensor,
    gamma: float,
    counts: str,
    *,
    flow: bool,
    percent_to_sigma: Callable[[float], float],
    least: int = 1,
) -> int:
    """M: how many of the T steps of this run all segments share, eq. 9.

    counts: what gamma is a share of. "noise": it means the noise that it leaves on SVD's 25 steps; "schedule": the
    whole schedule, of which this run may be a part; "steps": the T steps, as in the paper. Below 1 `least` are left.
    """
    steps = len(sigmas) - 1
    boundary = phase_boundary(steps, gamma)
    if gamma in (0, 1):
        return boundary
    if counts != STEPS:
        level = sigma_at(phase_ratio(gamma), flow=flow) if counts == NOISE else percent_to_sigma(gamma)
        boundary = steps_above(sigmas, level)
    return max(min(boundary, steps - least), 0)
