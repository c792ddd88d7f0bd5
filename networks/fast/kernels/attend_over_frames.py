"""Attention over frames in Triton: kernels, their gradients, and the torch operation of both."""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd import Function

from .launch import call, power_of_two


@triton.jit(do_not_specialize=["positions", "frames"])
def attend_over_frames(
    query, key, value, out, positions, frames, channels, scale, FRAMES: tl.constexpr, HEAD: tl.constexpr
):
    """Self-attention of the frames at one position and head; all [B, frames, positions, channels], half precision."""
    index, head = tl.program_id(0).to(tl.int64), tl.program_id(1)
    frame, channel = tl.arange(0, FRAMES), head * HEAD + tl.arange(0, HEAD)
    row = (index // positions * frames + frame) * positions + index % positions
    element = row[:, None] * channels + channel[None, :]
    mask = (frame < frames)[:, None]
    q = tl.load(query + element, mask=mask, other=0.0)
    k = tl.load(key + element, mask=mask, other=0.0)
    v = tl.load(value + element, mask=mask, other=0.0)
    logits = tl.where((frame < frames)[None, :], tl.dot(q, tl.trans(k)) * scale, float("-inf"))
    weights = tl.exp(logits - tl.max(logits, axis=1)[:, None])
    weights = weights / tl.sum(weights, axis=1)[:, None]
    tl.store(out + element, tl.dot(weights.to(v.dtype), v).to(out.dtype.element_ty), mask=mask)


@triton.jit(do_not_specialize=["positions", "frames"])
def attend_over_frames_gradient(
    query, key, value, gradient, of_query, of_key, of_value, positions, frames, channels, scale,
    FRAMES: tl.constexpr, HEAD: tl.constexpr,
):  # fmt: skip
    """Gradients of self-attention of the frames at one position and head; the weights are computed again."""
    index, head = tl.program_id(0).to(tl.int64), tl.program_id(1)
    frame, channel = tl.arange(0, FRAMES), head * HEAD + tl.arange(0, HEAD)
    row = (index // positions * frames + frame) * positions + index % positions
    element = row[:, None] * channels + channel[None, :]
    mask = (frame < frames)[:, None]
    q = tl.load(query + element, mask=mask, other=0.0)
    k = tl.load(key + element, mask=mask, other=0.0)
    v = tl.load(value + element, mask=mask, other=0.0)
    g = tl.load(gradient + element, mask=mask, other=0.0)
    logits = tl.where((frame < frames)[None, :], tl.dot(q, tl.trans(k)) * scale, float("-inf"))
    weights = tl.exp(logits - tl.max(logits, axis=1)[:, None])
    weights = weights / tl.sum(weights, axis=1)[:, None]
    of_weights = tl.dot(g, tl.trans(v))
    of_logits = weights * (of_weights - tl.sum(weights * of_weights, axis=1)[:, None]) * scale
    weights, of_logits = weights.to(v.dtype), of_logits.to(v.dtype)
    tl.store(of_value + element, tl.dot(tl.trans(weights), g).to(of_value.dtype.element_ty), mask=mask)
    tl.store(of_query + element, tl.dot(of_logits, k).to(of_query.dtype.element_ty), mask=mask)
    tl.store(of_key + element, tl.dot(tl.trans(of_logits), q).to(of_key.dtype.element_ty), mask=mask)


class AttendOverFrames(Function):
    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
        query, key, value = query.contiguous(), key.contiguous(), value.contiguous()
        batch, frames, positions, channels = query.shape
        head, size = channels // heads, max(16, power_of_two(frames))
        out = torch.empty_like(query)
        grid, options = (batch * positions, heads), {"FRAMES": size, "HEAD": head, "num_warps": max(1, size // 16)}
        numbers = (positions, frames, channels, head**-0.5)
        attend_over_frames[grid](query, key, value, out, *numbers, **options)
        if ctx is not None:
            ctx.save_for_backward(query, key, value)
            ctx.grid, ctx.options, ctx.numbers = grid, options, numbers
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value = ctx.saved_tensors
        gradients = [torch.empty_like(query) for _ in range(3)]
        attend_over_frames_gradient[ctx.grid](
            query, key, value, gradient.contiguous(), *gradients, *ctx.numbers, **ctx.options
        )
        return *gradients, None


def launch(query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
    return call(AttendOverFrames, query, key, value, heads)
