"""Optical flow of a video: OpenCV's DIS, or torchvision's RAFT on a module that the caller loads."""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from .convention import crop_padding, pad_to_multiple

RAFT_MULTIPLE = 8
RAFT_LEAST = 128  # smaller frames leave RAFT's coarsest correlation volume empty
DIS_LEAST = 16

OnStep = Callable[[int, int], None]


def estimate_flow(frames: Tensor, *, on_step: OnStep | None = None) -> Tensor:
    """Flow [L-1, 2, H, W] px/frame between the neighbours of [L, 3, H, W] -1..1, by DIS (Kroeger et al., ECCV 2016).

    `on_step(i, total)` is called after each pair. Raises ValueError for fewer than 2 frames or a wrong shape.
    """
    _check_frames(frames)
    padded, padding = pad_to_multiple(frames, DIS_LEAST) if min(frames.shape[-2:]) < DIS_LEAST else (frames, None)
    luma = padded.detach().float().cpu() * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    gray = ((luma.sum(1) + 1) * 127.5).round().clamp(0, 255).byte().numpy()
    dis: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    total = len(gray) - 1
    flow = np.empty((total, *gray.shape[1:], 2), dtype=np.float32)
    for i in range(total):
        flow[i] = dis.calc(gray[i], gray[i + 1], None)
        if on_step:
            on_step(i + 1, total)
    flow = torch.from_numpy(flow.transpose(0, 3, 1, 2).copy()).to(frames.device)
    return crop_padding(flow, padding) if padding else flow


@torch.no_grad()
def estimate_flow_raft(frames: Tensor, raft: torch.nn.Module, *, on_step: OnStep | None = None) -> Tensor:
    """As `estimate_flow`, by a torchvision RAFT module (Teed & Deng, ECCV 2020) on its own device, pair by pair.

    `raft(first, second)` takes [1, 3, H, W] -1..1 and returns its successive estimates [1, 2, H, W]; the last is used.
    """
    _check_frames(frames)
    parameter = next(raft.parameters())
    padded, padding = pad_to_multiple(frames, RAFT_LEAST if min(frames.shape[-2:]) < RAFT_LEAST else RAFT_MULTIPLE)
    total = len(frames) - 1
    flow = []
    for i in range(total):
        first, second = padded[i : i + 2].to(parameter.device, parameter.dtype).split(1)
        estimate = raft(first.contiguous(), second.contiguous())[-1]
        flow.append(crop_padding(estimate, padding).to(frames.device, torch.float32))
        if on_step:
            on_step(i + 1, total)
    return torch.cat(flow)


def _check_frames(frames: Tensor) -> None:
    if frames.ndim != 4 or frames.shape[1] != 3 or frames.shape[0] < 2 or 0 in frames.shape:
        raise ValueError(f"frames: got {list(frames.shape)}, allowed [L, 3, H, W] with L of 2 or more")
