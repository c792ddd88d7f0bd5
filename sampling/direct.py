"""Direct: clip after clip, each conditioned on the last frame of the one before (baseline of the paper, Table 2)."""

from collections.abc import Callable

import torch
from torch import Tensor

from .trajectory import Denoise, Sampler, euler, run


@torch.no_grad()
def direct(
    denoise_after: Callable[[int, Tensor], tuple[Denoise, Tensor]],
    first: Tensor,
    sigmas: Tensor,
    *,
    total_frames: int,
    sampler: Sampler = euler,
) -> Tensor:
    """[N, c, h, w] on the CPU: clip `first` [L, c, h, w], then as many as are needed; T evaluations for each.

    denoise_after(k, clip [L, c, h, w]) -> (denoise, states [L, c, h, w] at sigmas[0]) for clip k = 2, 3, .. that goes
    on where `clip` ends.
    """
    clips = [first]
    while sum(map(len, clips)) < total_frames:
        denoise, states = denoise_after(len(clips) + 1, clips[-1])
        clip = run(denoise, states[None], sigmas, 0, sampler=sampler, on_step=lambda i, denoised: None)
        clips.append(clip[0].cpu())
    return torch.cat(clips)[:total_frames]
