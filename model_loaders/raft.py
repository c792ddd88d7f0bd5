"""torchvision's RAFT with the user's own weights."""

import torch
from comfy.model_patcher import ModelPatcher

from . import locations, memory
from .files import load_strictly, read_tensors

FILE = "raft_large.safetensors"


def load_raft() -> ModelPatcher:
    """Raises ValueError that says where to put the weights where they are missing."""
    from torchvision.models.optical_flow import raft_large

    try:
        path = locations.resolve("raft", FILE)
    except ValueError as error:
        raise ValueError(
            f"method 'raft': {error}. Save torchvision's raft_large weights as safetensors under that name there, "
            "or choose the method 'dis', which needs no weights"
        ) from error
    with torch.device("meta"):
        network = raft_large(weights=None, progress=False).requires_grad_(False)
    counters = [key for key in network.state_dict() if key.endswith("num_batches_tracked")]
    tensors = read_tensors([path], lambda key, tensor: tensor.dtype if key in counters else torch.float32)
    return memory.managed(load_strictly(network, tensors, path))
