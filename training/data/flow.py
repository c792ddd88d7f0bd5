"""The flow of a set's clips: DIS, or RAFT with a user's weights."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from ...flow_tools.estimate import estimate_flow, estimate_flow_raft
from .prepared_set import to_unit


def load_raft(path: Path, device: torch.device) -> nn.Module:
    """torchvision's RAFT with the user's weights: raft_large's state, .safetensors or torch.save's .pth."""
    from torchvision.models.optical_flow import raft_large  # of the training extra, for this alone

    network = raft_large(weights=None, progress=False)
    if path.suffix == ".safetensors":
        state = load_file(path)
    else:
        state = torch.load(path, weights_only=True, map_location="cpu")
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise ValueError(f"{path}: not torchvision's raft_large ({error})") from error
    return network.to(device).eval().requires_grad_(False)


def estimate_flows(clips: list[Tensor], raft: nn.Module | None = None) -> list[Tensor]:
    """Flow between consecutive frames of each clip, [F − 1, 2, H, W] px/frame: by RAFT where it is given, else DIS."""
    if raft is not None:
        return [estimate_flow_raft(to_unit(clip), raft) for clip in clips]
    cv2.setNumThreads(1)
    with ThreadPoolExecutor() as pool:
        return list(pool.map(lambda clip: estimate_flow(to_unit(clip)), clips))
