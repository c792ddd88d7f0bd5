"""Flow refiner files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .files import load_network

if TYPE_CHECKING:
    from comfy.model_patcher import ModelPatcher

    from ..networks.refiner import FlowRefiner

FORMAT = "driftfield.refiner.v1"


@dataclass(frozen=True)
class Refiner:
    """What travels over a DRIFTFIELD_REFINER socket."""

    network: ModelPatcher  # of a FlowRefiner
    name: str


def load_refiner(path: Path) -> FlowRefiner:
    """fp32, in main memory. Raises ValueError naming the file and what does not fit."""
    from ..networks.refiner import FlowRefiner, RefinerConfig

    return load_network(path, FORMAT, RefinerConfig, FlowRefiner)


def manage_refiner(path: Path) -> Refiner:
    """Raises as `load_refiner`."""
    from . import memory  # here: training reads refiners without a ComfyUI

    return Refiner(memory.managed(load_refiner(path)), path.name)
