"""Windows of L frames over a longer video, every window a call of the network, overlaps averaged."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from .trajectory import Denoise

# (windows, sigma [], starts) -> estimates x0, windows and estimates [L, c, h, w] on the CPU
DenoiseWindows = Callable[[Sequence[Tensor], Tensor, Sequence[int]], Sequence[Tensor]]


def window_starts(total_frames: int, segment: int, overlap: int) -> list[int]:
    """First frames of windows of L with `overlap` frames in common; the last ends with the video, N >= L.

    ValueError where overlap is not in 0..L - 1.
    """
    if not 0 <= overlap < segment:
        raise ValueError(f"overlap: got {overlap}, allowed 0..{segment - 1}")
    last = total_frames - segment
    return [*range(0, last, segment - overlap), last]


def averaged(denoise_windows: DenoiseWindows, *, total_frames: int, weights: Tensor, overlap: int) -> Denoise:
    """denoise(x [1, N, c, h, w], sigma) -> x0: in each frame the weighted mean of the windows over it.

    denoise_windows(windows, sigma, starts) -> estimates, lists of [L, c, h, w] on the CPU. weights: [L].
    """
    segment = len(weights)
    starts = window_starts(total_frames, segment, overlap)
    total = torch.zeros(total_frames)
    for start in starts:
        total[start : start + segment] += weights

    def denoise(x: Tensor, sigma: Tensor) -> Tensor:
        video = x[0].cpu()
        windows = [video[start : start + segment] for start in starts]
        mean = torch.zeros_like(video)
        for start, x0 in zip(starts, denoise_windows(windows, sigma.flatten()[0].cpu(), starts), strict=True):
            part = slice(start, start + segment)
            mean[part] += x0 * (weights / total[part]).view(-1, 1, 1, 1)
        return mean[None].to(x)

    return denoise
