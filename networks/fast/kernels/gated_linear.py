"""A linear layer with the gated GELU of its result in Triton, for Hopper's copy engine; without a gradient."""

import triton
import triton.language as tl
from torch import Tensor

from .launch import blocks, hopper_copies

ROWS, CHANNELS, INSIDE, GROUP = 128, 64, 64, 16
OPTIONS = {"num_warps": 4, "num_stages": 2}


@triton.jit
def gelu(x):
    """With erf from Abramowitz & Stegun's 7.1.26, to 1.5e-7: with tl.erf the kernel takes 1.16 times as long."""
    size = tl.abs(x)
    root = tl.rsqrt(1.0 + 0.23164188 * size)
    t = root * root  # a division takes four times as many instructions
    tail = t * (0.127414796 + t * (-0.142248368 + t * (0.7107068705 + t * (-0.7265760135 + t * 0.5307027145))))
    return tl.maximum(x, 0.0) - size * tail * tl.exp2(x * x * -0.7213475204444817)


@triton.jit(do_not_specialize=["rows"])
def gated_linear(
    x, weight, bias, out, rows, channels,
    WIDTH: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr, INSIDE: tl.constexpr, GROUP: tl.constexpr,
):  # fmt: skip
    """x [rows, WIDTH], weight [2, channels, WIDTH] → of the product + bias first half · GELU(second half).

    Programs of GROUP blocks of rows share a block of channels, one after the other, while it is in the cache.
    """
    high, wide = tl.cdiv(rows, ROWS), channels // CHANNELS
    program = tl.program_id(0)
    first = program // (GROUP * wide) * GROUP
    together = tl.minimum(high - first, GROUP)
    number = program % (GROUP * wide)
    row, channel = (first + number % together) * ROWS, number // together * CHANNELS
    both = tl.zeros([ROWS, 2 * CHANNELS], tl.float32)
    for start in range(0, WIDTH, INSIDE):
        some = weight.load([0, channel, start]).reshape([2 * CHANNELS, INSIDE])
        both = tl.dot(x.load([row, start]), some.T, both)
    value, gate = both.reshape([ROWS, 2, CHANNELS]).permute([0, 2, 1]).split()
    at = channel + tl.arange(0, CHANNELS)
    value += tl.load(bias + at).to(tl.float32)[None, :]
    gate += tl.load(bias + channels + at).to(tl.float32)[None, :]
    out.store([row, channel], (value * gelu(gate)).to(out.dtype))


def fits(x: Tensor, weight: Tensor) -> bool:
    """Whether `launch` takes them, and is the faster form: on a Hopper GPU, in half precision."""
    whole = weight.shape[0] % (2 * CHANNELS) == 0 and x.shape[-1] % 8 == 0 and weight.is_contiguous()
    return whole and x.dtype == weight.dtype and hopper_copies(x) and weight.data_ptr() % 16 == 0


def launch(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """x [..., WIDTH], weight [2 C, WIDTH], bias [2 C] → [..., C]; C a multiple of CHANNELS."""
    from triton.tools.tensor_descriptor import TensorDescriptor

    x, width, channels = x.contiguous(), x.shape[-1], len(weight) // 2
    rows = x.numel() // width
    out = x.new_empty((*x.shape[:-1], channels))
    gated_linear[(blocks(rows, ROWS) * (channels // CHANNELS),)](
        TensorDescriptor.from_tensor(x.view(rows, width), [ROWS, INSIDE]),
        TensorDescriptor.from_tensor(weight.view(2, channels, width), [2, CHANNELS, INSIDE]),
        bias, TensorDescriptor.from_tensor(out.view(rows, channels), [ROWS, CHANNELS]), rows, channels,
        WIDTH=width, ROWS=ROWS, CHANNELS=CHANNELS, INSIDE=INSIDE, GROUP=GROUP, **OPTIONS,
    )  # fmt: skip
    return out
