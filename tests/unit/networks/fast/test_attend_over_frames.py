"""Attention over the frames of a clip: its kernels, and their gradients, against its torch form."""

import pytest
import torch
from fused_operations import DEVICE, GPU_SIZES, Operands, check_on_gpu, kernels, on_gpu
from noise import randn
from torch import Tensor

from driftfield.networks.fast import backend
from driftfield.networks.fast.attend_over_frames import attend_over_frames


def test_torch_form():
    """A position and head by itself, without the library's attention."""
    query, key, value = (randn(2, 5, 3, 64, seed=seed) for seed in range(3))
    q, k, v = (x[1, :, 2, 32:] for x in (query, key, value))  # the second clip and head, the third position
    expected = torch.softmax(q @ k.T / 32**0.5, dim=-1) @ v
    got = attend_over_frames(query, key, value, heads=2)[1, :, 2, 32:]
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)


@on_gpu
@GPU_SIZES
def test_kernels_on_a_gpu(channels, rows):
    def form(o: Operands) -> Tensor:
        return attend_over_frames(*(t.unflatten(0, (2, 2)).half() for t in (o.x, o.y, o.x)), heads=2).float()

    check_on_gpu(form, channels, rows, tolerance=2e-3)


@pytest.mark.parametrize("frames", [3, 25])
def test_kernels_and_gradients_are_torchs(frames, monkeypatch):
    def attended() -> list[Tensor]:
        given = [randn(2, frames, 3, 64, seed=i).to(DEVICE, torch.float16).requires_grad_() for i in range(3)]
        out = attend_over_frames(*given, heads=2)
        (out * randn(*out.shape, seed=9).to(out)).sum().backward()
        return [out.detach(), *(tensor.grad for tensor in given)]

    module = kernels()
    monkeypatch.setattr(backend, "kernels_for", lambda x: module)
    got = attended()
    monkeypatch.setattr(backend, "kernels_for", lambda x: None)
    for a, b in zip(got, attended(), strict=True):
        torch.testing.assert_close(a.float(), b.float(), atol=4e-3 * b.abs().max().item(), rtol=0)
