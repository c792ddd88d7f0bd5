"""A bias added in place: torch's form, and the kernel."""

import pytest
import torch
from fused_operations import DEVICE, kernels
from noise import randn

from driftfield.networks.fast import backend
from driftfield.networks.fast.add_bias import add_bias


@pytest.mark.parametrize("form", ["torch", "kernel"])
@pytest.mark.parametrize("shape", [(3, 5, 24), (2, 70, 40, 320)])
@torch.no_grad()
def test_every_row_gets_the_bias(form, shape, monkeypatch):
    module = None if form == "torch" else kernels()
    monkeypatch.setattr(backend, "kernels_for", lambda x: module)
    x, bias = randn(*shape).to(DEVICE), randn(shape[-1], seed=1).to(DEVICE)
    expected = x + bias
    assert add_bias(x, bias) is x
    torch.testing.assert_close(x, expected, atol=0, rtol=0)
