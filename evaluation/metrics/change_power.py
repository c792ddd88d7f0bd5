"""Whether a place lives: how much of it changes, how fast, and how much of that no flow explains."""

import math

import torch
from torch import Tensor

from ...flow_tools.warp import accumulate_backward, backward_warp
from .frame_change import LEVELS

SPEEDS = {"slow": (1, 3), "middling": (4, 7), "fast": (8, None)}  # cycles in the frames, the last one included


def change_power(frames: Tensor, where: Tensor) -> dict[str, float]:
    """Power of the change of frames [L, C, H, W] -1..1 `where`, bool [1, H, W], slow to fast, in squared grey levels.

    Mean of the pixels' periodograms, each without its mean and under a Hann window; NaN for no pixels.
    """
    if not where.any():
        return dict.fromkeys(SPEEDS, math.nan)
    series = (frames - frames.mean(dim=0))[..., where[0]].float() * LEVELS
    window = torch.hann_window(len(frames), periodic=False, device=frames.device)
    power = torch.fft.rfft(series * window[:, None, None], dim=0).abs().square().mean(dim=(1, 2))
    power = power / window.square().sum()
    return {name: float(power[low : None if high is None else high + 1].sum()) for name, (low, high) in SPEEDS.items()}


def unexplained_change(frames: Tensor, flow: Tensor, where: Tensor) -> float:
    """Root mean square of what a frame differs from the one before moved along flow [L - 1, 2, H, W] px/frame.

    In grey levels, of the pixels `where`, bool [1, H, W]; NaN for none.
    """
    if not where.any():
        return math.nan
    before = torch.cat([accumulate_backward(step[None], 2)[1:] for step in flow])
    difference = frames[1:] - backward_warp(frames[:-1], before)
    return math.sqrt(float(difference[..., where[0]].square().mean())) * LEVELS
