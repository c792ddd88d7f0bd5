"""Extensions of five frames of 8 x 8 latents, for tests."""

import torch
from tiny import FRAMES

from driftfield.sampling.joins import RESTART, plan_joins
from driftfield.sampling.phased import extend


def seeded(seed=100):
    return torch.Generator().manual_seed(seed)


def timeline_of(joins, total_frames, segment=FRAMES, *, side=8):
    change = torch.ones(side, side)
    return plan_joins(joins, segment=segment, total_frames=total_frames, change=change, generator=seeded())


def extended(
    conditional, denoise, trajectory, prior, *, joins=RESTART, frames=4 * FRAMES, batch=1, seed=100, **changes
):
    """extend() over windows that `denoise` gets `batch` at a time."""

    def denoise_windows(windows, sigma, starts):
        chunks = torch.stack(windows).split(batch)
        return [estimate for chunk in chunks for estimate in denoise(chunk, sigma)]

    given = {"gamma": 0.6, "omega": 0.2, "generator": seeded(seed), **changes}
    return extend(conditional, denoise_windows, trajectory, timeline_of(joins, frames), prior, **given)
