"""Sums with their layer norm against torch's."""

import pytest
import torch
from fused_operations import (
    DEVICE,
    GPU_SIZES,
    GRADIENT_SIZES,
    Operands,
    check_gradients,
    check_on_gpu,
    kernels,
    on_gpu,
)
from noise import randn
from torch import nn

from driftfield.networks.fast import backend
from driftfield.networks.fast.add_layer_norm import add_layer_norm


def layer(o: Operands) -> nn.Module:
    return o.layer(nn.LayerNorm, o.x.shape[-1])


FORMS = {
    "layer norm": lambda o: torch.stack(add_layer_norm(o.x, layer(o))),
    "layer norm, sums": lambda o: torch.stack(add_layer_norm(o.x, layer(o), add=o.y, before=o.vectors, after=o.rows)),
    "layer norm alone": lambda o: add_layer_norm(o.x, layer(o), before=o.bias[None])[1],
    "sum of a layer norm": lambda o: add_layer_norm(o.x, layer(o), add=o.y)[0],
}
ON_GPU = {
    "layer norm": lambda o: add_layer_norm(o.x, layer(o))[1],
    "layer norm, sums": lambda o: torch.stack(
        add_layer_norm(o.x, layer(o), add=o.y, before=o.vectors, after=o.vectors.flip(0))
    ),
}


@torch.no_grad()
def test_torch_form():
    o = Operands.random(64, 6)
    rows, norm = o.vectors.repeat_interleave(2, 0)[:, None], layer(o)
    total = o.x + o.y + rows
    expected = {"layer norm": norm(o.x), "layer norm, sums": torch.stack([total, norm(total + rows.flip(0))])}
    for name, result in expected.items():
        torch.testing.assert_close(ON_GPU[name](o), result, atol=1e-5, rtol=1e-5, msg=name)


@on_gpu
@pytest.mark.parametrize("name", ON_GPU)
@GPU_SIZES
def test_kernels_on_a_gpu(name, channels, rows):
    check_on_gpu(ON_GPU[name], channels, rows)


@pytest.mark.parametrize("name", FORMS)
@GRADIENT_SIZES
def test_kernels_and_gradients_are_torchs(name, channels, rows, monkeypatch):
    check_gradients(FORMS[name], channels, rows, monkeypatch)


def test_rows_that_do_not_divide_the_samples_are_refused(monkeypatch):
    module = kernels()
    monkeypatch.setattr(backend, "kernels_for", lambda x: module)
    o = Operands.random(64, 5).to(DEVICE)
    with pytest.raises(ValueError, match="got 3, allowed a number that divides them"):
        add_layer_norm(o.x, layer(o), before=randn(3, 64).to(DEVICE))
