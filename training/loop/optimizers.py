"""A network's optimizers, and the learning rate over a run."""

import math

import torch

from .muon import Muon


class Optimizers:
    """Muon for what is a matrix and AdamW for the rest, or AdamW for all, with one learning rate."""

    def __init__(self, parameters: list[torch.Tensor], *, kind: str, learning_rate: float, weight_decay: float):
        """kind: "muon" or "adamw"; parameters that need no gradient are left out."""
        if kind not in ("muon", "adamw"):
            raise ValueError(f"optimizer: got {kind!r}, allowed 'muon' or 'adamw'")
        parameters = [p for p in parameters if p.requires_grad]
        matrices = [p for p in parameters if p.ndim > 1]
        vectors = [p for p in parameters if p.ndim <= 1]
        self.learning_rate = learning_rate
        adamw = {"lr": learning_rate, "betas": (0.9, 0.99), "fused": parameters[0].device.type == "cuda"}
        if kind == "muon":
            first = Muon(matrices, learning_rate, weight_decay=weight_decay)
        else:
            first = torch.optim.AdamW(matrices, weight_decay=weight_decay, **adamw)
        self.all = [first, torch.optim.AdamW(vectors, weight_decay=0.0, **adamw)] if vectors else [first]

    def step(self, factor: float) -> None:
        """factor: what the learning rate is multiplied with."""
        for optimizer in self.all:
            for group in optimizer.param_groups:
                group["lr"] = self.learning_rate * factor
            optimizer.step()

    def state_dict(self) -> dict:
        return {"all": [optimizer.state_dict() for optimizer in self.all]}

    def load_state_dict(self, state: dict) -> None:
        for optimizer, own in zip(self.all, state["all"], strict=True):
            optimizer.load_state_dict(own)


def learning_rate_factor(step: int, progress: float, *, floor: float, warmup: int = 200) -> float:
    """Linear warm-up over steps, then half a cosine over the run's progress down to `floor`; 1 keeps it constant."""
    return min(1.0, (step + 1) / warmup) * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * progress)))
