"""The kernels and their gradients against torch's operations: on a GPU, or in Triton's interpreter."""

import importlib

import pytest
import torch
from torch import Tensor, nn

from driftfield.networks import fused

pytest.importorskip("triton")
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


@pytest.fixture
def with_kernels(monkeypatch):
    launchers = importlib.import_module("driftfield.networks.launchers")  # only now: without Triton it cannot be
    monkeypatch.setattr(fused, "fused", lambda x: launchers)


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def operands(channels: int, rows: int) -> dict[str, Tensor]:
    made = {name: randn(4, rows, channels, seed=i) for i, name in enumerate("xyz", 8)}
    made |= {"vectors": randn(2, channels, seed=2), "all": randn(4, channels, seed=7)}
    made |= {"weight": randn(channels, seed=3), "bias": randn(channels, seed=4), "factor": randn(1, seed=5)}
    return {name: value.to(DEVICE).requires_grad_() for name, value in made.items()}


def norm(kind: type[nn.Module], *sizes: int, **given: Tensor) -> nn.Module:
    made = kind(*sizes, affine=True) if kind is nn.InstanceNorm2d else kind(*sizes)
    for name, value in given.items():
        del made._parameters[name]
        setattr(made, name, value)
    return made


def group(o: dict[str, Tensor], groups: int) -> nn.Module:
    return norm(nn.GroupNorm, groups, o["x"].shape[-1], weight=o["weight"], bias=o["bias"])


def layer(o: dict[str, Tensor]) -> nn.Module:
    return norm(nn.LayerNorm, o["x"].shape[-1], weight=o["weight"], bias=o["bias"])


OPERATIONS = {
    "group norm": lambda o: fused.group_norm(o["x"], group(o, 4)),
    "group norm, shift and silu": lambda o: fused.group_norm(o["x"], group(o, 4), shift=o["vectors"], silu=True),
    "instance norm": lambda o: fused.instance_norm_leaky_relu(
        o["x"], norm(nn.InstanceNorm2d, o["x"].shape[-1], weight=o["weight"], bias=o["bias"]), 0.2
    ),
    "layer norm": lambda o: torch.stack(fused.add_layer_norm(o["x"], layer(o))),
    "layer norm, sums": lambda o: torch.stack(
        fused.add_layer_norm(o["x"], layer(o), add=o["y"], before=o["vectors"], after=o["all"])
    ),
    "layer norm alone": lambda o: fused.add_layer_norm(o["x"], layer(o), before=o["bias"][None])[1],
    "sum of a layer norm": lambda o: fused.add_layer_norm(o["x"], layer(o), add=o["y"])[0],
    "gated": lambda o: fused.gated_gelu(o["x"]),
    "gated, bias": lambda o: fused.gated_gelu(o["x"], o["bias"]),
    "sum": lambda o: fused.mix(o["x"], o["y"]),
    "sum, bias": lambda o: fused.mix(o["x"], o["y"], bias=o["bias"]),
    "share": lambda o: fused.mix(o["x"], o["y"], bias=o["bias"], factor=o["factor"], sign=-1),
    "blend": lambda o: fused.mix(o["x"], o["y"], o["z"], bias=o["bias"], factor=o["factor"], blend=True),
}


def results(operation, channels: int, rows: int) -> dict[str, Tensor]:
    """What an operation gives, and its gradients."""
    given = operands(channels, rows)
    made = operation(given)
    (made * randn(*made.shape, seed=9).to(DEVICE)).sum().backward()
    gradients = {name: value.grad for name, value in given.items() if value.grad is not None}
    assert len(gradients) > 0
    return {"result": made.detach(), **gradients}


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("channels, rows", [(64, 300), (24, 5)])
def test_kernels_and_gradients_are_torchs(name, channels, rows, with_kernels, monkeypatch):
    got = results(OPERATIONS[name], channels, rows)
    monkeypatch.setattr(fused, "fused", lambda x: None)
    expected = results(OPERATIONS[name], channels, rows)
    assert all(got[what].abs().max() == 0 for what in got.keys() - expected.keys())
    for what, value in expected.items():
        torch.testing.assert_close(
            got[what], value, atol=2e-5 * value.abs().max().item(), rtol=1e-4, msg=lambda m, what=what: f"{what}: {m}"
        )


@pytest.mark.parametrize("frames", [3, 25])
def test_attention_over_frames_and_its_gradient(frames, with_kernels, monkeypatch):
    def attended() -> list[Tensor]:
        given = [randn(2, frames, 3, 64, seed=i).to(DEVICE, torch.float16).requires_grad_() for i in range(3)]
        out = fused.attend_over_frames(*given, heads=2)
        (out * randn(*out.shape, seed=9).to(out)).sum().backward()
        return [out.detach(), *(tensor.grad for tensor in given)]

    got = attended()
    monkeypatch.setattr(fused, "fused", lambda x: None)
    for a, b in zip(got, attended(), strict=True):
        torch.testing.assert_close(a.float(), b.float(), atol=4e-3 * b.abs().max().item(), rtol=0)


def test_rows_that_do_not_divide_the_samples_are_refused(with_kernels):
    given = operands(64, 5)
    with pytest.raises(ValueError, match="got 3, allowed a number that divides them"):
        fused.add_layer_norm(given["x"], layer(given), before=randn(3, 64))
