"""How a region of a video moves by itself: figures that are the same for a filmed fluid and for a made one."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ...flow_tools.estimate import estimate_flow
from ...flow_tools.warp import accumulate_forward, backward_warp

SIDE = 256  # px of the longer side that lengths and speeds are given at
FOLLOWED = 8  # frames
LOST = 0.5  # of a correlation: how far apart motion is no more the same


@dataclass(frozen=True)
class Liveliness:
    fluctuation: float  # px/frame at SIDE, root mean square: what moves other than on average over time and region
    length: float  # px at SIDE: how far apart that is still alike
    memory: float  # frames: how long it stays alike
    unexplained: float  # share of the change from frame to frame that the flow does not explain
    persistence: float  # correlation of what is there with what was there FOLLOWED frames before, followed


def liveliness(frames: Tensor, region: Tensor) -> Liveliness:
    """Of frames [L, 3, H, W] −1..1, more than FOLLOWED, in region bool [1, 1, H, W]; flow by DIS."""
    flow = estimate_flow(frames)
    scale = max(frames.shape[-2:]) / SIDE
    own = (flow - flow.mean(0, keepdim=True)) * region
    own = (own - own.sum((2, 3), keepdim=True) / region.sum()) * region  # a camera that is moved
    power = own.square().sum() / region.sum() / len(own)
    moved = backward_warp(frames[1:], flow)
    change = frames.diff(dim=0) * region
    rest = (moved - frames[:-1]) * region
    return Liveliness(
        fluctuation=float(power.sqrt()) / scale,
        length=_length(own, region) / scale,
        memory=_memory(own),
        unexplained=float(rest.square().sum() / change.square().sum().clamp(min=1e-9)),
        persistence=_persistence(frames, flow, region),
    )


def _length(own: Tensor, region: Tensor) -> float:
    """px until the correlation with what lies beside or below has fallen to LOST."""
    for shift in range(1, max(own.shape[-2:]) // 2):
        share = []
        for dim in (-1, -2):
            size = own.shape[dim] - shift
            one, other = own.narrow(dim, 0, size), own.narrow(dim, shift, size)
            both = region.narrow(dim, 0, size) & region.narrow(dim, shift, size)
            products = [(a * b * both).sum() for a, b in ((one, other), (one, one), (other, other))]
            share.append(float(products[0] / (products[1] * products[2]).sqrt().clamp(min=1e-9)))
        if sum(share) / 2 < LOST:
            return float(shift)
    return float("nan")


def _memory(own: Tensor) -> float:
    """Frames until the correlation has fallen to LOST, between whole ones by a line."""
    before = 1.0
    for lag in range(1, len(own) // 2):
        one, other = own[:-lag], own[lag:]
        share = float((one * other).sum() / (one.square().sum() * other.square().sum()).sqrt().clamp(min=1e-9))
        if share < LOST:
            return lag - 1 + (before - LOST) / (before - share)
        before = share
    return float("nan")


def _persistence(frames: Tensor, flow: Tensor, region: Tensor) -> float:
    values = []
    for start in range(0, len(frames) - FOLLOWED, FOLLOWED // 2):
        way = accumulate_forward(flow[start : start + FOLLOWED], FOLLOWED + 1)[-1:]
        then = backward_warp(frames[start + FOLLOWED :][:1], way)
        there = (region & (backward_warp(region.float(), way) > 0.5)).expand(1, 3, -1, -1)
        pair = torch.stack([frames[start : start + 1][there], then[there]])
        values.append(torch.corrcoef(pair)[0, 1])
    return float(torch.stack(values).nanmean())
