"""Gen-L-Video (Wang et al. 2023): in every step overlapping windows of the whole video are denoised and averaged."""

import torch
from torch import Tensor

from .trajectory import Sampler, euler, run
from .windows import DenoiseWindows, averaged


def fresh_noise(noise: Tensor, *, total_frames: int, stride: int, generator: torch.Generator) -> Tensor:
    """[N, c, h, w]: `noise` [L, c, h, w], then new noise, whatever the stride of the windows."""
    more = torch.randn((total_frames - len(noise), *noise.shape[1:]), generator=generator)
    return torch.cat([noise, more])


@torch.no_grad()
def gen_l_video(
    denoise_windows: DenoiseWindows,
    states: Tensor,
    sigmas: Tensor,
    *,
    segment: int,
    overlap: int,
    sampler: Sampler = euler,
) -> Tensor:
    """[N, c, h, w] from states [N, c, h, w] at sigmas[0], all on the CPU: T times the number of windows of L frames.

    In each frame the mean of its windows, all weights equal, as in the paper's global denoising.
    """
    denoise = averaged(denoise_windows, total_frames=len(states), weights=torch.ones(segment), overlap=overlap)
    return run(denoise, states[None], sigmas, 0, sampler=sampler, on_step=lambda i, denoised: None)[0]
