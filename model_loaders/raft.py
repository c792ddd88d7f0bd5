"""torchvision's RAFT: with weights of the user's own, or as ComfyUI's own node has loaded it."""

from pathlib import Path

import comfy.model_management as management
import comfy.utils
import torch
from comfy.model_patcher import ModelPatcher
from torch import Tensor, nn

from . import locations, memory
from .files import load_strictly, read_tensors, usable


def load_raft() -> ModelPatcher:
    """Raises ValueError that says where to put the weights where they are missing."""
    from torchvision.models.optical_flow import raft_large

    try:
        path = locations.raft()
    except ValueError as error:
        raise ValueError(
            f"method 'raft': {error}. Put torchvision's raft_large weights in one of these places, "
            "or choose the method 'dis', which needs no weights"
        ) from error
    with torch.device("meta"):
        network = raft_large(weights=None, progress=False).requires_grad_(False)
    counters = [key for key in network.state_dict() if key.endswith("num_batches_tracked")]

    def dtype_of(key: str, tensor: Tensor) -> torch.dtype:
        return tensor.dtype if key in counters else torch.float32

    if path.suffix == ".pth":
        tensors = {key: usable(tensor.to(dtype_of(key, tensor)), key, path) for key, tensor in _read_pth(path).items()}
    else:
        tensors = read_tensors([path], dtype_of)
    return memory.managed(load_strictly(network, tensors, path))


def load_core_model(model: ModelPatcher) -> nn.Module:
    """The RAFT that ComfyUI's OPTICAL_FLOW socket gives, on the device. ValueError where it gives anything else."""
    from torchvision.models.optical_flow import RAFT

    network = getattr(model, "model", None)
    if not isinstance(network, RAFT):
        got = type(model if network is None else network).__name__
        raise ValueError(f"optical_flow_model: got {got}, allowed torchvision's RAFT, from Load Optical Flow Model")
    with memory.LOADING:
        management.load_models_gpu([model], force_full_load=True)
    return network


def _read_pth(path: Path) -> dict[str, Tensor]:
    """Through ComfyUI's loader, which takes tensors alone: nothing in the file is run."""
    try:
        tensors = comfy.utils.load_torch_file(str(path), safe_load=True)
    except Exception as error:  # PyTorch raises whatever the broken part makes it raise
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(
            f"{path}: not readable as weights ({said}): it is damaged, a web page, or holds more than tensors; "
            "download torchvision's raft_large again"
        ) from error
    if not isinstance(tensors, dict) or not all(isinstance(tensor, Tensor) for tensor in tensors.values()):
        raise ValueError(f"{path}: got {type(tensors).__name__}, allowed: a dict of tensors by name")
    return tensors
