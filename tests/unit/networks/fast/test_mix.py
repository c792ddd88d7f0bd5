"""Sums and mixes against torch's."""

import pytest
import torch
from fused_operations import GPU_SIZES, GRADIENT_SIZES, Operands, check_gradients, check_on_gpu, on_gpu

from driftfield.networks.fast.mix import mix

FORMS = {
    "sum": lambda o: mix(o.x, o.y),
    "sum, bias": lambda o: mix(o.x, o.y, bias=o.bias),
    "share": lambda o: mix(o.x, o.y, bias=o.bias, factor=o.factor, sign=-1),
    "blend": lambda o: mix(o.x, o.y, o.z, bias=o.bias, factor=o.factor, blend=True),
}


def test_torch_form():
    o = Operands.random(64, 6)
    s = torch.sigmoid(o.factor)
    expected = {
        "sum": o.x + o.y,
        "sum, bias": o.x + o.y + o.bias,
        "share": o.x + (1 - s) * (o.y + o.bias),
        "blend": (1 - s) * o.x + s * (o.y + o.z + o.bias),
    }
    for name, result in expected.items():
        torch.testing.assert_close(FORMS[name](o), result, atol=1e-5, rtol=1e-5, msg=name)


@on_gpu
@pytest.mark.parametrize("name", FORMS)
@GPU_SIZES
def test_kernels_on_a_gpu(name, channels, rows):
    check_on_gpu(FORMS[name], channels, rows)


@pytest.mark.parametrize("name", FORMS)
@GRADIENT_SIZES
def test_kernels_and_gradients_are_torchs(name, channels, rows, monkeypatch):
    check_gradients(FORMS[name], channels, rows, monkeypatch)
