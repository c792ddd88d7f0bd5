"""Group norm and instance norm against torch's."""

import pytest
import torch
import torch.nn.functional as F
from fused_operations import (
    GPU_SIZES,
    GRADIENT_SIZES,
    Operands,
    check_gradients,
    check_on_gpu,
    kernels,
    on_gpu,
)
from noise import randn
from torch import Tensor, nn

from driftfield.networks.fast.group_norm import group_norm, instance_norm_leaky_relu


def group(o: Operands, groups: int = 4) -> nn.Module:
    return o.layer(nn.GroupNorm, groups, o.x.shape[-1])


def instance(o: Operands) -> Tensor:
    return instance_norm_leaky_relu(o.x, o.layer(nn.InstanceNorm2d, o.x.shape[-1], affine=True), 0.2)


FORMS = {
    "group norm": lambda o: group_norm(o.x, group(o)),
    "group norm, shift and silu": lambda o: group_norm(o.x, group(o), shift=o.vectors, silu=True),
    "instance norm": instance,
}


@torch.no_grad()
def test_torch_form():
    o = Operands.random(64, 6)
    rows, norm = o.vectors.repeat_interleave(2, 0)[:, None], group(o, 32)
    for got, expected in (
        (group_norm(o.x, norm), norm(o.x.mT).mT),
        (group_norm(o.x, norm, shift=o.vectors, silu=True), F.silu(norm((o.x + rows).mT).mT)),
        (instance(o), F.leaky_relu(F.instance_norm(o.x.mT, weight=o.weight, bias=o.bias).mT, 0.2)),
    ):
        torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)


@on_gpu
@pytest.mark.parametrize("shift", [False, True])
@GPU_SIZES
def test_kernels_on_a_gpu(shift, channels, rows):
    check_on_gpu(
        lambda o: group_norm(o.x, group(o, 32), shift=o.vectors if shift else None, silu=shift), channels, rows
    )


@pytest.mark.parametrize("name", FORMS)
@GRADIENT_SIZES
def test_kernels_and_gradients_are_torchs(name, channels, rows, monkeypatch):
    check_gradients(FORMS[name], channels, rows, monkeypatch)


@on_gpu
def test_another_length_builds_no_more_kernels():
    module = kernels().group_norm
    norm, device = nn.GroupNorm(4, 64).cuda(), torch.cuda.current_device()

    def built_for(rows: int) -> int:
        with torch.no_grad():
            group_norm(randn(1, rows, 64).cuda(), norm)
        functions = (module.channel_moments, module.group_scale, module.normalize)
        return sum(len(function.device_caches[device][0]) for function in functions)

    assert built_for(300) == built_for(5_000) == built_for(70_001) >= 3
