"""A bias added in place, in Triton; without a gradient."""

import triton
import triton.language as tl
from torch import Tensor

from .launch import TILE, blocks

SIZE = TILE // 4


@triton.jit
def add_bias(x, bias, count, channels, SIZE: tl.constexpr):
    """x [count] of rows of channels, += bias [channels]."""
    element = tl.program_id(0).to(tl.int64) * SIZE + tl.arange(0, SIZE)
    mask = element < count
    added = tl.load(bias + element % channels, mask=mask, other=0.0).to(tl.float32)
    values = tl.load(x + element, mask=mask, other=0.0).to(tl.float32) + added
    tl.store(x + element, values.to(x.dtype.element_ty), mask=mask)


def launch(x: Tensor, bias: Tensor) -> Tensor:
    """x [N, …, C], contiguous."""
    add_bias[(blocks(x.numel(), SIZE),)](x, bias, x.numel(), x.shape[-1], SIZE=SIZE)
    return x
