"""Random numbers that depend on the seed and the step's number alone."""

import hashlib

import torch
from torch import Tensor


def step_seed(seed: int, step: int, process: int) -> int:
    digest = hashlib.sha256(f"{seed} {step} {process}".encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def uniform(*shape: int, generator: torch.Generator, device: torch.device) -> Tensor:
    """0..1, drawn where the generator is."""
    return torch.rand(shape, generator=generator, device=generator.device).to(device)
