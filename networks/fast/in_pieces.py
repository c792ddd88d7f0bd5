"""SVD's residual blocks on a CPU: a few frames, or rows of pixels over all frames, at a time.

A piece stays in the cache from one operation to the next, and its buffers are used again instead of asked for and
cleared anew. The same sums, in another order.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .group_norm import group_norm
from .layers import Block, convolve, image, tokens

PIECE = 8 * 2**20  # bytes of activations
TILE = 256  # pixels that a convolution over the frames takes as one row


def at_once(x: Tensor) -> int:
    """How many of x [N, …] make a piece."""
    return max(1, PIECE // x[0].nbytes)


def spatial_branch(x: Tensor, block: Block, time: Tensor | None) -> Tensor:
    """Of one clip: x [L, H, W, C], time [C'] → [L, H, W, C'], the shortcut included."""
    first = with_shift(block.conv1, time, x.dtype)
    out = x.new_empty(*x.shape[:3], block.conv2.out_channels)
    size = at_once(x)
    for some, to in zip(x.split(size), out.split(size), strict=True):
        h = F.conv2d(image(group_norm(some, block.norm1, silu=True)), block.conv1.weight.to(x.dtype), first, padding=1)
        h, _ = convolve(group_norm(tokens(h), block.norm2, silu=True), block.conv2)
        torch.add(some if block.conv_shortcut is None else convolve(some, block.conv_shortcut)[0], h, out=to)
    return out


def add_temporal_branch(x: Tensor, block: Block, time: Tensor | None, weight: Tensor) -> None:
    """x + weight · branch in place of x, one clip [L, H, W, C]; time [C]."""
    frames, tile, channels = len(x), math.gcd(x[0, ..., 0].numel(), TILE), x.shape[-1]
    x = x.view(frames, -1, tile, channels)
    # Tiles with an empty frame before the first and after the last: what convolutions pad with.
    given = x.new_zeros(x.shape[1], frames + 2, tile, channels)
    inner = given[:, 1:-1]
    size = at_once(given)

    norm = NormOfPieces(block.norm1, x.split(1))
    for i, frame in enumerate(x.split(1)):
        torch.ops.aten.silu.out(norm(frame)[0], out=inner[:, i])
    bias = with_shift(block.conv1, time, x.dtype)
    convolved: list = [convolve_tiles(some, block.conv1, bias) for some in given.split(size)]
    norm = NormOfPieces(block.norm2, convolved)
    bias = with_shift(block.conv2, None, x.dtype)
    for i, to in enumerate(x.split(size, dim=1)):
        some = given[i * size : (i + 1) * size]
        torch.ops.aten.silu.out(norm(convolved[i]), out=some[:, 1:-1])
        convolved[i] = None  # its memory is the next one's
        to.addcmul_(convolve_tiles(some, block.conv2, bias).transpose(0, 1), weight)


def convolve_tiles(x: Tensor, conv: nn.Conv3d, bias: Tensor) -> Tensor:
    """[tiles, L + 2, pixels, C] → [tiles, L, pixels, C']."""
    return tokens(F.conv2d(image(x), conv.weight.to(x.dtype).squeeze(-1), bias))


def with_shift(conv: Block, shift: Tensor | None, dtype: torch.dtype) -> Tensor:
    return (conv.bias if shift is None else conv.bias + shift).to(dtype)


class NormOfPieces:
    """A group norm of one sample that lies in pieces [n, rows, pixels, C]."""

    def __init__(self, norm: nn.GroupNorm, parts: Sequence[Tensor]):
        sizes = torch.tensor([float(part.numel()) for part in parts])
        shares = (sizes / sizes.sum())[:, None, None]
        each = [torch.stack(values) for values in zip(*map(moments, parts), strict=True)]
        means, variances = (values.unflatten(1, (norm.num_groups, -1)) for values in each)
        mean = (shares * means).sum(0).mean(1, keepdim=True)
        variance = (shares * (variances + (means - mean).square())).sum(0).mean(1, keepdim=True)
        self.mean, self.variance = (value.expand(means.shape[1:]).flatten() for value in (mean, variance))
        self.weight, self.bias, self.eps = norm.weight.float(), norm.bias.float(), norm.eps

    def __call__(self, x: Tensor) -> Tensor:
        return tokens(F.batch_norm(image(x), self.mean, self.variance, self.weight, self.bias, eps=self.eps))


def moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance [C] of x [n, rows, pixels, C], in fp32: that of the running ones, which are thrown away."""
    running = torch.zeros(x.shape[-1])
    return torch.batch_norm_update_stats(image(x), running, running.clone(), 0.0)
