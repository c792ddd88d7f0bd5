"""Motion adapter files: safetensors with their config in the metadata."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from .files import load_strictly, read_config, read_tensors

if TYPE_CHECKING:
    from ..networks.animator import MotionAdapter

FORMAT = "driftfield.adapter.v1"


def load_adapter(path: Path) -> MotionAdapter:
    """fp32, in main memory. Raises ValueError naming the file and what does not fit."""
    from ..networks.animator import AdapterConfig, MotionAdapter  # here: diffusers takes seconds to import

    values = read_config(path, FORMAT)
    try:
        config = AdapterConfig.from_dict(values)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    with torch.device("meta"):
        adapter = MotionAdapter(config).requires_grad_(False)
    return load_strictly(adapter, read_tensors([path], lambda key, tensor: torch.float32), path)
