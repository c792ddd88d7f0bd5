"""Attention over the frames of a clip: its kernels, and their gradients, against its torch form."""

import pytest
import torch
from fused_operations import DEVICE, GPU_SIZES, Operands, check_on_gpu, kernels, on_gpu
from noise import randn
from torch import Tensor

from driftfield.networks.fast import backend
from driftfield.networks.fast.attend_over_frames import attend_over_frames


@pytest.mark.parametrize("gradients", [True, False])
def test_torch_form(gradients):
    """A position and head by itself, without the library's attention."""
    query, key, *values = (randn(2, 5, 3, 64, seed=seed) for seed in range(4))
    with torch.set_grad_enabled(gradients):
        attended = attend_over_frames(query, key, values, heads=2)
    for value, got in zip(values, attended, strict=True):
        q, k, v = (x[1, :, 2, 32:] for x in (query, key, value))  # the second clip and head, the third position
        expected = torch.softmax(q @ k.T / 32**0.5, dim=-1) @ v
        torch.testing.assert_close(got[1, :, 2, 32:], expected, atol=1e-5, rtol=1e-5)


@on_gpu
@GPU_SIZES
def test_kernels_on_a_gpu(channels, rows):
    def form(o: Operands) -> Tensor:
        query, key, value = (t.unflatten(0, (2, 2)).half() for t in (o.x, o.y, o.x))
        if not o.x.is_cuda:  # what the kernel is held to has sums in float32
            query, key, value = query.float(), key.float(), value.float()
        return attend_over_frames(query, key, [value], heads=2)[0].float()

    check_on_gpu(form, channels, rows, tolerance=2e-3)


@pytest.mark.parametrize("frames", [3, 25])
def test_kernels_and_gradients_are_torchs(frames, monkeypatch):
    def attended() -> list[Tensor]:
        given = [randn(2, frames, 3, 64, seed=i).to(DEVICE, torch.float16).requires_grad_() for i in range(3)]
        (out,) = attend_over_frames(*given[:2], given[2:], heads=2)
        (out * randn(*out.shape, seed=9).to(out)).sum().backward()
        return [out.detach(), *(tensor.grad for tensor in given)]

    module = kernels()
    monkeypatch.setattr(backend, "kernels_for", lambda x: module)
    got = attended()
    monkeypatch.setattr(backend, "kernels_for", lambda x: None)
    for a, b in zip(got, attended(), strict=True):
        torch.testing.assert_close(a.float(), b.float(), atol=4e-3 * b.abs().max().item(), rtol=0)
