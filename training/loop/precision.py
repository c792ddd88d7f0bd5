"""What networks are computed and kept in: number formats and the memory's order."""

import torch
from accelerate import Accelerator

from .processes import average_over_processes


class MasterWeights:
    """fp32 copies of a module's parameters, for the optimizer, while the module itself computes in `dtype`.

    Beside autocast this spares casting every weight in every step, and norms that run and hand on in fp32.
    """

    def __init__(self, module: torch.nn.Module, dtype: torch.dtype):
        self.own = list(module.parameters())
        self.values = [p.detach().float().clone().requires_grad_(p.requires_grad) for p in self.own]
        for parameter in self.own:
            parameter.data = parameter.data.to(dtype)

    @torch.no_grad()
    def take_gradients(self, accelerator: Accelerator) -> None:
        """The module's gradients, averaged over the processes, as those of the values; the module keeps its own."""
        pairs = [(v, p.grad) for v, p in zip(self.values, self.own, strict=True) if p.grad is not None]
        values, gradients = zip(*pairs, strict=True)
        for value in values:
            value.grad = torch.empty_like(value) if value.grad is None else value.grad
        mine = [value.grad for value in values]
        torch._foreach_copy_(mine, gradients)
        average_over_processes(mine, accelerator)

    @torch.no_grad()
    def give_values(self) -> None:
        """Rounds the values into the module."""
        pairs = [(p.data, v) for p, v in zip(self.own, self.values, strict=True) if v.requires_grad]
        own, values = zip(*pairs, strict=True)
        torch._foreach_copy_(own, values)

    def state_dict(self) -> dict:
        return {"values": [v.detach() for v in self.values if v.requires_grad]}

    @torch.no_grad()
    def load_state_dict(self, state: dict) -> None:
        torch._foreach_copy_([v for v in self.values if v.requires_grad], state["values"])
        self.give_values()


def channels_last(module: torch.nn.Module) -> torch.nn.Module:
    """The memory format that tensor cores want, for the 2-d convolutions."""
    for child in module.modules():
        if isinstance(child, torch.nn.Conv2d):
            child.to(memory_format=torch.channels_last)
    return module


def halve(module: torch.nn.Module) -> None:
    """Half-precision parameters, leaving their gradients as they are."""
    for parameter in module.parameters():
        parameter.data = parameter.data.half()
