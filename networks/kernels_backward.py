"""The gradients of `kernels`, Triton as well: each reads what its operation read, and writes once.

Sums over rows are left as one number for each block of rows and channel, float32, which torch adds up.
"""

import triton
import triton.language as tl


@triton.jit
def affine_gradient(normal, gradient, weight, bias, slope, ACTIVATION: tl.constexpr):
    """The gradient at y = normal · weight + bias, from that at activation(y)."""
    y = normal * weight[None, :] + bias[None, :]
    if ACTIVATION == "silu":
        s = tl.sigmoid(y)
        return gradient * s * (1.0 + y * (1.0 - s))
    if ACTIVATION == "leaky relu":
        return tl.where(y > 0, gradient, slope * gradient)
    return gradient


@triton.jit(do_not_specialize=["rows", "chunks", "plane"])
def norm_sums(
    x, gradient, scale, offset, weight, bias, sums, rows, channels, chunks, plane, slope,
    ACTIVATION: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """sums [3, N, chunks, channels] over the rows: of the affine gradient g, of g x̂ and of x̂ = x · scale + offset.

    plane: how many numbers one of the three has.
    """
    chunk, sample = tl.program_id(0), tl.program_id(1).to(tl.int64)
    row, channel = chunk * ROWS + tl.arange(0, ROWS), tl.program_id(2) * CHANNELS + tl.arange(0, CHANNELS)
    known = channel < channels
    mask = (row[:, None] < rows) & known[None, :]
    place = (sample * rows + row)[:, None] * channels + channel[None, :]
    at = sample * channels + channel
    factor, added = tl.load(scale + at, mask=known, other=0.0), tl.load(offset + at, mask=known, other=0.0)
    w = tl.load(weight + channel, mask=known, other=0.0).to(tl.float32)
    b = tl.load(bias + channel, mask=known, other=0.0).to(tl.float32)
    normal = tl.load(x + place, mask=mask, other=0.0).to(tl.float32) * factor[None, :] + added[None, :]
    normal = tl.where(mask, normal, 0.0)
    g = tl.load(gradient + place, mask=mask, other=0.0).to(tl.float32)
    g = affine_gradient(normal, g, w, b, slope, ACTIVATION)
    target = sums + (sample * chunks + chunk) * channels + channel
    tl.store(target, tl.sum(g, axis=0), mask=known)
    tl.store(target + plane, tl.sum(g * normal, axis=0), mask=known)
    tl.store(target + 2 * plane, tl.sum(normal, axis=0), mask=known)


@triton.jit(do_not_specialize=["rows"])
def norm_gradient(
    x, gradient, scale, offset, weight, bias, mean, slant, out, rows, channels, slope,
    ACTIVATION: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """out = scale · (g · weight − mean − x̂ · slant), mean and slant [N, channels] float32."""
    sample = tl.program_id(1).to(tl.int64)
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    channel = tl.program_id(2) * CHANNELS + tl.arange(0, CHANNELS)
    known = channel < channels
    mask = (row[:, None] < rows) & known[None, :]
    place = (sample * rows + row)[:, None] * channels + channel[None, :]
    at = sample * channels + channel
    factor, added = tl.load(scale + at, mask=known, other=0.0), tl.load(offset + at, mask=known, other=0.0)
    m, t = tl.load(mean + at, mask=known, other=0.0), tl.load(slant + at, mask=known, other=0.0)
    w = tl.load(weight + channel, mask=known, other=0.0).to(tl.float32)
    b = tl.load(bias + channel, mask=known, other=0.0).to(tl.float32)
    normal = tl.load(x + place, mask=mask, other=0.0).to(tl.float32) * factor[None, :] + added[None, :]
    g = tl.load(gradient + place, mask=mask, other=0.0).to(tl.float32)
    g = affine_gradient(normal, g, w, b, slope, ACTIVATION)
    d = factor[None, :] * (g * w[None, :] - m[None, :] - normal * t[None, :])
    tl.store(out + place, d.to(out.dtype.element_ty), mask=mask)


@triton.jit(do_not_specialize=["run", "rows_after", "plane"])
def layer_norm_gradient(
    total, after, weight, of_total, of_out, out, sums, run, channels, rows_after, plane, eps,
    HAS_AFTER: tl.constexpr, HAS_TOTAL: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """Gradient at `total` from those at total and at LayerNorm(total + after).

    sums [4, samples · blocks, channels] over a block's rows of one sample, which has `run` of them: the gradient of
    weight, of bias, of what the norm has seen, and of total.
    """
    block, sample = tl.program_id(0), tl.program_id(1).to(tl.int64)
    inside, channel = block * ROWS + tl.arange(0, ROWS), tl.arange(0, CHANNELS)
    known = channel < channels
    mask = (inside < run)[:, None] & known[None, :]
    row = sample * run + inside
    place = row[:, None] * channels + channel[None, :]
    s = tl.load(total + place, mask=mask, other=0.0).to(tl.float32)
    if HAS_AFTER:
        at = (row // rows_after)[:, None] * channels + channel[None, :]
        s += tl.load(after + at, mask=mask, other=0.0).to(tl.float32)
    mean = tl.sum(s, axis=1) / channels
    deviation = tl.where(mask, s - mean[:, None], 0.0)
    inverse = 1.0 / tl.sqrt(tl.sum(deviation * deviation, axis=1) / channels + eps)
    normal = deviation * inverse[:, None]
    g = tl.load(of_out + place, mask=mask, other=0.0).to(tl.float32)
    gw = g * tl.load(weight + channel, mask=known, other=0.0).to(tl.float32)[None, :]
    straight, slant = tl.sum(gw, axis=1) / channels, tl.sum(gw * normal, axis=1) / channels
    d = tl.where(mask, (gw - straight[:, None] - normal * slant[:, None]) * inverse[:, None], 0.0)
    target = sums + (sample * tl.num_programs(0) + block) * channels + channel
    tl.store(target, tl.sum(g * normal, axis=0), mask=known)
    tl.store(target + plane, tl.sum(g, axis=0), mask=known)
    tl.store(target + 2 * plane, tl.sum(d, axis=0), mask=known)
    if HAS_TOTAL:
        d += tl.load(of_total + place, mask=mask, other=0.0).to(tl.float32)
    tl.store(target + 3 * plane, tl.sum(d, axis=0), mask=known)
    tl.store(out + place, d.to(out.dtype.element_ty), mask=mask)


@triton.jit(do_not_specialize=["rows"])
def gated_gelu_gradient(
    x, bias, gradient, out, sums, rows, channels, HAS_BIAS: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr
):
    """Gradient [rows, 2 channels] at x + bias; sums [blocks, 2 channels] of it over a block's rows."""
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    channel = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    known = channel < channels
    mask = (row[:, None] < rows) & known[None, :]
    place = row[:, None] * (2 * channels) + channel[None, :]
    value = tl.load(x + place, mask=mask, other=0.0).to(tl.float32)
    gate = tl.load(x + place + channels, mask=mask, other=0.0).to(tl.float32)
    if HAS_BIAS:
        value += tl.load(bias + channel, mask=known, other=0.0).to(tl.float32)[None, :]
        gate += tl.load(bias + channels + channel, mask=known, other=0.0).to(tl.float32)[None, :]
    g = tl.load(gradient + row[:, None] * channels + channel[None, :], mask=mask, other=0.0).to(tl.float32)
    below = 0.5 * (1.0 + tl.erf(gate * 0.7071067811865476))
    of_value = g * gate * below
    of_gate = g * value * (below + gate * 0.3989422804014327 * tl.exp(-0.5 * gate * gate))
    tl.store(out + place, of_value.to(out.dtype.element_ty), mask=mask)
    tl.store(out + place + channels, of_gate.to(out.dtype.element_ty), mask=mask)
    if HAS_BIAS:
        target = sums + tl.program_id(0) * (2 * channels) + channel
        tl.store(target, tl.sum(of_value, axis=0), mask=known)
        tl.store(target + channels, tl.sum(of_gate, axis=0), mask=known)


@triton.jit(do_not_specialize=["rows", "plane"])
def mix_gradient(
    x, y, z, bias, factor, gradient, of_x, of_y, sums, rows, channels, plane,
    HAS_Z: tl.constexpr, HAS_BIAS: tl.constexpr, HAS_FACTOR: tl.constexpr, SIGN: tl.constexpr, BLEND: tl.constexpr,
    ROWS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """Of out = x + s (y + z + bias), or with BLEND (1 − s) x + s (y + z + bias): gradients at x (BLEND) and y.

    sums [2, blocks, channels] over a block's rows: of the gradient, and of it times what s multiplies. Without factor
    s is 1, and x and y have the gradient itself: only the sums are written.
    """
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    channel = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    known = channel < channels
    mask = (row[:, None] < rows) & known[None, :]
    place = row[:, None] * channels + channel[None, :]
    g = tl.load(gradient + place, mask=mask, other=0.0).to(tl.float32)
    target = sums + tl.program_id(0) * channels + channel
    tl.store(target, tl.sum(g, axis=0), mask=known)
    if HAS_FACTOR:
        s = tl.sigmoid(SIGN * tl.load(factor).to(tl.float32))
        tl.store(of_y + place, (s * g).to(of_y.dtype.element_ty), mask=mask)
        inner = tl.load(y + place, mask=mask, other=0.0).to(tl.float32)
        if HAS_Z:
            inner += tl.load(z + place, mask=mask, other=0.0).to(tl.float32)
        if HAS_BIAS:
            inner += tl.load(bias + channel, mask=known, other=0.0).to(tl.float32)[None, :]
        if BLEND:
            inner -= tl.load(x + place, mask=mask, other=0.0).to(tl.float32)
            tl.store(of_x + place, ((1.0 - s) * g).to(of_x.dtype.element_ty), mask=mask)
        tl.store(target + plane, tl.sum(g * inner, axis=0), mask=known)


@triton.jit(do_not_specialize=["positions", "frames"])
def attend_over_frames_gradient(
    query, key, value, gradient, of_query, of_key, of_value, positions, frames, channels, scale,
    FRAMES: tl.constexpr, HEAD: tl.constexpr,
):  # fmt: skip
    """Gradients of self-attention of the frames at one position and head; the weights are computed again."""
    index, head = tl.program_id(0).to(tl.int64), tl.program_id(1)
    frame, channel = tl.arange(0, FRAMES), head * HEAD + tl.arange(0, HEAD)
    row = (index // positions * frames + frame) * positions + index % positions
    place = row[:, None] * channels + channel[None, :]
    mask = (frame < frames)[:, None]
    q = tl.load(query + place, mask=mask, other=0.0)
    k = tl.load(key + place, mask=mask, other=0.0)
    v = tl.load(value + place, mask=mask, other=0.0)
    g = tl.load(gradient + place, mask=mask, other=0.0)
    logits = tl.where((frame < frames)[None, :], tl.dot(q, tl.trans(k)) * scale, float("-inf"))
    weights = tl.exp(logits - tl.max(logits, axis=1)[:, None])
    weights = weights / tl.sum(weights, axis=1)[:, None]
    of_weights = tl.dot(g, tl.trans(v))
    of_logits = weights * (of_weights - tl.sum(weights * of_weights, axis=1)[:, None]) * scale
    weights, of_logits = weights.to(v.dtype), of_logits.to(v.dtype)
    tl.store(of_value + place, tl.dot(tl.trans(weights), g).to(of_value.dtype.element_ty), mask=mask)
    tl.store(of_query + place, tl.dot(of_logits, k).to(of_query.dtype.element_ty), mask=mask)
    tl.store(of_key + place, tl.dot(tl.trans(of_logits), q).to(of_key.dtype.element_ty), mask=mask)
