"""FreeNoise (Qiu et al. 2023): noise that repeats in another order, and windows that are fused by pyramid weights.

The paper fuses the windows inside each temporal attention layer, whose positions count from the window's start. Ours:
whole windows go through the network (so positions are reset as well, and any network fits), and their estimates are
fused with the same weights. It costs more evaluations than the paper's: every window is one.
"""

import torch
from torch import Tensor

from .trajectory import Sampler, euler, run
from .windows import DenoiseWindows, averaged


def reschedule_noise(noise: Tensor, *, total_frames: int, stride: int, generator: torch.Generator) -> Tensor:
    """[N, c, h, w]: `noise` [L, c, h, w], then in runs of `stride` frames a shuffle of the run L frames before."""
    segment = len(noise)
    frames = list(noise)
    while len(frames) < total_frames:
        source = frames[len(frames) - segment :][:stride]
        frames += [source[i] for i in torch.randperm(len(source), generator=generator).tolist()]
    return torch.stack(frames[:total_frames])


def pyramid(segment: int) -> Tensor:
    """[L]: 1, 2, .. up to the middle and down again."""
    rising = torch.arange(1.0, segment + 1)
    return torch.minimum(rising, rising.flip(0))


@torch.no_grad()
def free_noise(
    denoise_windows: DenoiseWindows,
    states: Tensor,
    sigmas: Tensor,
    *,
    segment: int,
    overlap: int,
    sampler: Sampler = euler,
) -> Tensor:
    """[N, c, h, w] from states [N, c, h, w] at sigmas[0] made of rescheduled noise; cost as in `gen_l_video`."""
    denoise = averaged(denoise_windows, total_frames=len(states), weights=pyramid(segment), overlap=overlap)
    return run(denoise, states[None], sigmas, 0, sampler=sampler, on_step=lambda i, denoised: None)[0]
