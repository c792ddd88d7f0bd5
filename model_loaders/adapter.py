"""Motion adapter files: safetensors with their config in the metadata."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .files import load_network

if TYPE_CHECKING:
    from ..networks.motion_unet import MotionAdapter

FORMAT = "driftfield.adapter.v1"


def load_adapter(path: Path) -> MotionAdapter:
    """fp32, in main memory. Raises ValueError naming the file and what does not fit."""
    from ..networks.motion_unet import AdapterConfig, MotionAdapter  # here: diffusers takes seconds to import

    return load_network(path, FORMAT, AdapterConfig, MotionAdapter)
