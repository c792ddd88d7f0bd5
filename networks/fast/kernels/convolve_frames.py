"""A convolution over frames, and its weighted sum with other data, in Triton for Hopper; without a gradient."""

import triton
import triton.language as tl
from torch import Tensor

from .launch import blocks, hopper_copies

PIXELS, CHANNELS, INSIDE, GROUP = 256, 128, 64, 4
OPTIONS = {"num_warps": 8, "num_stages": 4}
MOST_LEFT_OVER = 1.125  # pixels of whole blocks over those that there are: beyond, cuDNN is faster


@triton.jit(do_not_specialize=["clips", "frames", "pixels"])
def convolve_frames(
    x, weight, bias, onto, factor, out, clips, frames, pixels, channels,
    WIDTH: tl.constexpr, TAPS: tl.constexpr, HAS_ONTO: tl.constexpr, SIGN: tl.constexpr, PIXELS: tl.constexpr,
    CHANNELS: tl.constexpr, INSIDE: tl.constexpr, GROUP: tl.constexpr,
):  # fmt: skip
    """x [clips, frames, pixels, WIDTH], weight [channels, TAPS · WIDTH] → the convolution, or onto + s (that + bias).

    Frames before the first and after the last are zero, as the copy engine gives what lies outside. Programs of GROUP
    blocks, of the same pixels in neighbouring frames, share a block of channels while it is in the cache.
    """
    wide = tl.cdiv(channels, CHANNELS)
    program = tl.program_id(0)
    first = program // (GROUP * wide) * GROUP
    together = tl.minimum(clips * tl.cdiv(pixels, PIXELS) * frames - first, GROUP)
    number = program % (GROUP * wide)
    block, channel = first + number % together, number // together * CHANNELS
    frame, place = block % frames, block // frames
    clip, pixel = place // tl.cdiv(pixels, PIXELS), place % tl.cdiv(pixels, PIXELS) * PIXELS
    total = tl.zeros([PIXELS, CHANNELS], tl.float32)
    steps: tl.constexpr = WIDTH // INSIDE
    for i in range(0, TAPS * steps):
        tap = i // steps
        start = (i - tap * steps) * INSIDE
        some = x.load([clip, frame + tap - TAPS // 2, pixel, start]).reshape([PIXELS, INSIDE])
        total = tl.dot(some, weight.load([channel, i * INSIDE]).T, total)
    if HAS_ONTO:
        at = channel + tl.arange(0, CHANNELS)
        total += tl.load(bias + at, mask=at < channels, other=0.0).to(tl.float32)[None, :]
        s = tl.sigmoid(SIGN * tl.load(factor).to(tl.float32))
        total = onto.load([clip, frame, pixel, channel]).reshape([PIXELS, CHANNELS]).to(tl.float32) + s * total
    out.store([clip, frame, pixel, channel], total.to(out.dtype).reshape([1, 1, PIXELS, CHANNELS]))


def fits(x: Tensor, weight: Tensor) -> bool:
    """Whether `launch` takes x [B, frames, pixels, C] and a weight [C', C, n, 1, 1], and is faster than cuDNN."""
    pixels = x.shape[2]
    whole = blocks(pixels, PIXELS) * PIXELS <= MOST_LEFT_OVER * pixels
    multiples = x.shape[-1] % INSIDE == 0 and weight.shape[0] % 8 == 0
    return whole and multiples and hopper_copies(x)


def launch(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, onto: Tensor | None = None, factor: Tensor | None = None,
    sign: int = 1,
) -> Tensor:  # fmt: skip
    """x [B, frames, pixels, C], weight [C', n, C] → [B, frames, pixels, C'].

    With onto, bias and factor: onto + s (that + bias), s = sigmoid(sign · factor).
    """
    from triton.tools.tensor_descriptor import TensorDescriptor

    x, weight = x.contiguous(), weight.contiguous()
    clips, frames, pixels, width = x.shape
    channels, taps, _ = weight.shape
    out = x.new_empty(clips, frames, pixels, channels)
    place = [1, 1, PIXELS, CHANNELS]
    convolve_frames[(clips * frames * blocks(pixels, PIXELS) * blocks(channels, CHANNELS),)](
        TensorDescriptor.from_tensor(x, [1, 1, PIXELS, INSIDE]),
        TensorDescriptor.from_tensor(weight.view(channels, taps * width), [CHANNELS, INSIDE]),
        weight if bias is None else bias,
        TensorDescriptor.from_tensor(out if onto is None else onto.contiguous(), place),
        weight if factor is None else factor, TensorDescriptor.from_tensor(out, place), clips, frames, pixels, channels,
        WIDTH=width, TAPS=taps, HAS_ONTO=onto is not None, SIGN=sign, PIXELS=PIXELS, CHANNELS=CHANNELS, INSIDE=INSIDE,
        GROUP=GROUP, **OPTIONS,
    )  # fmt: skip
    return out
