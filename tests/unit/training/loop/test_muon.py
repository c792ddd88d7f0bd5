"""Muon against torch's own, and what torch's does not take."""

import pytest
import torch

from driftfield.training.loop.muon import Muon, orthogonalized


def test_it_is_torch_s_own():
    """torch's computes in bfloat16, this one on a CPU in float32."""
    generator = torch.Generator().manual_seed(0)
    first = [torch.randn(shape, generator=generator) for shape in ((8, 24), (24, 8), (8, 24))]
    ours, theirs = ([p.clone().requires_grad_() for p in first] for _ in range(2))
    optimizer = Muon(ours, 1e-2, weight_decay=0.1)
    reference = torch.optim.Muon(theirs, 1e-2, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    for _ in range(5):
        for a, b in zip(ours, theirs, strict=True):
            a.grad = torch.randn(a.shape, generator=generator)
            b.grad = a.grad.clone()
        optimizer.step()
        reference.step()
    for a, b, start in zip(ours, theirs, first, strict=True):
        torch.testing.assert_close(a, b, atol=5e-4, rtol=0)
        assert (a - start).abs().max() > 0.02


@pytest.mark.parametrize("shape", [(6, 20), (20, 6)])
def test_singular_values_are_near_one(shape):
    matrices = torch.randn(3, *shape, generator=torch.Generator().manual_seed(1))
    values = torch.linalg.svdvals(orthogonalized(matrices))
    assert 0.5 < values.min() and values.max() < 1.3


def test_a_convolution_is_a_matrix_and_a_layer_without_gradient_stays():
    weight = torch.randn(4, 3, 3, 3, generator=torch.Generator().manual_seed(2))
    convolution, matrix = weight.clone().requires_grad_(), weight.flatten(1).clone().requires_grad_()
    idle = torch.ones(4, 27, requires_grad=True)
    convolution.grad, matrix.grad = weight.sin(), weight.sin().flatten(1)
    Muon([convolution, matrix, idle], 1e-2).step()
    assert torch.equal(convolution.flatten(1), matrix) and not torch.equal(convolution, weight)
    assert torch.equal(idle, torch.ones(4, 27))
