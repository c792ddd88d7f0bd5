"""Gated GELU against torch's."""

import pytest
import torch
import torch.nn.functional as F
from fused_operations import GPU_SIZES, GRADIENT_SIZES, Operands, check_gradients, check_on_gpu, on_gpu

from driftfield.networks.fast.gated_gelu import gated_gelu

FORMS = {"gated": lambda o: gated_gelu(o.x), "gated, bias": lambda o: gated_gelu(o.x, o.bias)}


def test_torch_form():
    x = Operands.random(64, 6).x
    value, gate = x.chunk(2, dim=-1)
    torch.testing.assert_close(gated_gelu(x), value * F.gelu(gate), atol=1e-5, rtol=1e-5)


@on_gpu
@GPU_SIZES
def test_kernels_on_a_gpu(channels, rows):
    check_on_gpu(FORMS["gated"], channels, rows)


@pytest.mark.parametrize("name", FORMS)
@GRADIENT_SIZES
def test_kernels_and_gradients_are_torchs(name, channels, rows, monkeypatch):
    check_gradients(FORMS[name], channels, rows, monkeypatch)
