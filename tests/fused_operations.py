"""How tests hold a fused operation's kernels, and their gradients, to its torch form."""

import importlib
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

import pytest
import torch
from noise import randn
from torch import Tensor, nn

from driftfield.networks.fast import backend

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="the kernels need a GPU")


@dataclass
class Operands:
    """x, y, z [4, rows, C]; vectors [2, C] and rows [4, C]; weight and bias [C], factor [1]."""

    x: Tensor
    y: Tensor
    z: Tensor
    vectors: Tensor
    rows: Tensor
    weight: Tensor
    bias: Tensor
    factor: Tensor

    @classmethod
    def random(cls, channels: int, rows: int, *, mean: float = 0.0) -> "Operands":
        x, y, z = (randn(4, rows, channels, seed=seed) + mean for seed in (8, 9, 10))
        vectors, each = randn(2, channels, seed=2), randn(4, channels, seed=7)
        return cls(x, y, z, vectors, each, randn(channels, seed=3), randn(channels, seed=4), randn(1, seed=5))

    def to(self, device: str) -> "Operands":
        return Operands(**{name: value.to(device) for name, value in vars(self).items()})

    def layer(self, kind: type[nn.Module], *arguments, **options) -> nn.Module:
        """A norm of this weight and bias."""
        made = kind(*arguments, **options)
        for name in ("weight", "bias"):
            del made._parameters[name]
            setattr(made, name, getattr(self, name))
        return made


def compiled_for_hopper(source: str) -> list[str]:
    """The words that `source` prints in a process where Triton compiles instead of interpreting."""
    pytest.importorskip("triton.backends.nvidia")
    environment = {**os.environ, "TRITON_INTERPRET": "0"}
    ran = subprocess.run([sys.executable, "-c", source], env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.split()


Form = Callable[[Operands], Tensor]


def kernels() -> ModuleType:
    """Of Triton; without a GPU in its interpreter."""
    pytest.importorskip("triton")
    return importlib.import_module("driftfield.networks.fast.kernels")  # only now: without Triton it cannot be


@torch.no_grad()
def check_on_gpu(form: Form, channels: int, rows: int, *, tolerance: float = 1e-5) -> None:
    """What the pack computes on a GPU is its torch form on the CPU."""
    assert backend.built() is not None
    operands = Operands.random(channels, rows, mean=2.0)
    got, expected = form(operands.to("cuda")).cpu(), form(operands)
    torch.testing.assert_close(got, expected, atol=tolerance, rtol=tolerance)


def results(form: Form, channels: int, rows: int) -> dict[str, Tensor]:
    """What a form gives, and its gradients."""
    operands = Operands.random(channels, rows).to(DEVICE)
    for value in vars(operands).values():
        value.requires_grad_()
    made = form(operands)
    (made * randn(*made.shape, seed=9).to(DEVICE)).sum().backward()
    gradients = {name: value.grad for name, value in vars(operands).items() if value.grad is not None}
    assert len(gradients) > 0
    return {"result": made.detach(), **gradients}


def check_gradients(form: Form, channels: int, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernels give the torch form's result and gradients."""
    module = kernels()
    monkeypatch.setattr(backend, "kernels_for", lambda x: module)
    got = results(form, channels, rows)
    monkeypatch.setattr(backend, "kernels_for", lambda x: None)
    expected = results(form, channels, rows)
    assert all(got[what].abs().max() == 0 for what in got.keys() - expected.keys())
    for what, value in expected.items():
        torch.testing.assert_close(
            got[what], value, atol=2e-5 * value.abs().max().item(), rtol=1e-4, msg=lambda m, what=what: f"{what}: {m}"
        )


GPU_SIZES = pytest.mark.parametrize("channels, rows", [(64, 5), (320, 700), (128, 4100)])
GRADIENT_SIZES = pytest.mark.parametrize("channels, rows", [(64, 300), (24, 5)])
