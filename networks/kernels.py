"""Triton kernels over channels-last data, where Triton is installed: one read and one write where eager torch has many.

Every sum is kept in float32. Rows are 64-bit: a batch of long clips has more than 2³¹ numbers.
"""

import triton
import triton.language as tl


@triton.jit(do_not_specialize=["rows", "chunks"])
def channel_moments(x, means, squares, rows, channels, chunks, ROWS: tl.constexpr, CHANNELS: tl.constexpr):
    """x [N, rows, channels] → mean and sum of squared deviations of every chunk of ROWS rows, [N, chunks, channels]."""
    chunk, sample = tl.program_id(0), tl.program_id(1).to(tl.int64)
    row, channel = chunk * ROWS + tl.arange(0, ROWS), tl.program_id(2) * CHANNELS + tl.arange(0, CHANNELS)
    mask = (row[:, None] < rows) & (channel[None, :] < channels)
    offset = (sample * rows + row)[:, None] * channels + channel[None, :]
    values = tl.load(x + offset, mask=mask, other=0.0).to(tl.float32)
    mean = tl.sum(values, axis=0) / tl.minimum(rows - chunk * ROWS, ROWS)
    deviation = tl.where(mask, values - mean[None, :], 0.0)
    target = (sample * chunks + chunk) * channels + channel
    tl.store(means + target, mean, mask=channel < channels)
    tl.store(squares + target, tl.sum(deviation * deviation, axis=0), mask=channel < channels)


@triton.jit(do_not_specialize=["rows", "channels", "group", "chunks", "shared"])
def group_scale(
    means, squares, shift, scale, offset, rows, channels, group, chunks, shared, eps,
    HAS_SHIFT: tl.constexpr, ROWS: tl.constexpr, GROUP_BLOCK: tl.constexpr, CHUNKS: tl.constexpr,
):  # fmt: skip
    """From the moments of x to its groups' norm, x + shift less its mean over its deviation = x · scale + offset.

    scale and offset are [N, channels] float32; `shared` samples have one row of shift in common. CHUNKS chunks are
    looked at in one go.
    """
    sample, inside = tl.program_id(0).to(tl.int64), tl.arange(0, GROUP_BLOCK)
    channel, in_group = tl.program_id(1) * group + inside, inside < group
    moved = tl.zeros([GROUP_BLOCK], tl.float32)
    if HAS_SHIFT:
        moved = tl.load(shift + sample // shared * channels + channel, mask=in_group, other=0.0).to(tl.float32)
    total = tl.zeros([CHUNKS, GROUP_BLOCK], tl.float32)
    first = 0  # loops that end where a number says, not a constexpr: one kernel for all lengths
    while first < chunks:
        chunk = first + tl.arange(0, CHUNKS)
        mask = (chunk < chunks)[:, None] & in_group[None, :]
        count = tl.minimum(rows - chunk * ROWS, ROWS).to(tl.float32)[:, None]
        mean = tl.load(means + (sample * chunks + chunk)[:, None] * channels + channel[None, :], mask=mask, other=0.0)
        total += tl.where(mask, count * (mean + moved[None, :]), 0.0)
        first += CHUNKS
    numbers = (rows * group).to(tl.float32)
    center = tl.sum(tl.sum(total, axis=0), axis=0) / numbers
    spread = tl.zeros([CHUNKS, GROUP_BLOCK], tl.float32)
    first = 0
    while first < chunks:
        chunk = first + tl.arange(0, CHUNKS)
        mask = (chunk < chunks)[:, None] & in_group[None, :]
        count = tl.minimum(rows - chunk * ROWS, ROWS).to(tl.float32)[:, None]
        place = (sample * chunks + chunk)[:, None] * channels + channel[None, :]
        far = tl.load(means + place, mask=mask, other=0.0) + moved[None, :] - center
        spread += tl.where(mask, tl.load(squares + place, mask=mask, other=0.0) + count * far * far, 0.0)
        first += CHUNKS
    deviation = tl.sqrt(tl.sum(tl.sum(spread, axis=0), axis=0) / numbers + eps)
    factor = tl.full([GROUP_BLOCK], 1.0, tl.float32) / deviation
    tl.store(scale + sample * channels + channel, factor, mask=in_group)
    tl.store(offset + sample * channels + channel, (moved - center) * factor, mask=in_group)


@triton.jit(do_not_specialize=["rows"])
def normalize(
    x, scale, offset, weight, bias, out, rows, channels, slope,
    ACTIVATION: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """out = activation((x · scale + offset) · weight + bias); x and out [N, rows, channels]."""
    sample = tl.program_id(1).to(tl.int64)
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    channel = tl.program_id(2) * CHANNELS + tl.arange(0, CHANNELS)
    known = channel < channels
    mask = (row[:, None] < rows) & known[None, :]
    place = (sample * rows + row)[:, None] * channels + channel[None, :]
    w = tl.load(weight + channel, mask=known, other=0.0).to(tl.float32)
    factor = tl.load(scale + sample * channels + channel, mask=known, other=0.0) * w
    added = tl.load(offset + sample * channels + channel, mask=known, other=0.0) * w
    added += tl.load(bias + channel, mask=known, other=0.0).to(tl.float32)
    y = tl.load(x + place, mask=mask, other=0.0).to(tl.float32) * factor[None, :] + added[None, :]
    if ACTIVATION == "silu":
        y = y * tl.sigmoid(y)
    if ACTIVATION == "leaky relu":
        y = tl.where(y > 0, y, slope * y)
    tl.store(out + place, y.to(out.dtype.element_ty), mask=mask)


@triton.jit(do_not_specialize=["rows", "rows_before", "rows_after"])
def add_and_normalize(
    x, add, before, after, weight, bias, total, out, rows, channels, rows_before, rows_after, eps,
    HAS_ADD: tl.constexpr, HAS_BEFORE: tl.constexpr, HAS_AFTER: tl.constexpr, ROWS: tl.constexpr,
    CHANNELS: tl.constexpr,
):  # fmt: skip
    """total = x + add + before; out = LayerNorm(total + after). Rows of before and after hold for many rows of x."""
    row, channel = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS), tl.arange(0, CHANNELS)
    known = channel < channels
    mask = (row[:, None] < rows) & known[None, :]
    place = row[:, None] * channels + channel[None, :]
    s = tl.load(x + place, mask=mask, other=0.0).to(tl.float32)
    if HAS_ADD:
        s += tl.load(add + place, mask=mask, other=0.0).to(tl.float32)
    if HAS_BEFORE:
        at = (row // rows_before)[:, None] * channels + channel[None, :]
        s += tl.load(before + at, mask=mask, other=0.0).to(tl.float32)
    if HAS_ADD or HAS_BEFORE:
        tl.store(total + place, s.to(total.dtype.element_ty), mask=mask)
    if HAS_AFTER:
        at = (row // rows_after)[:, None] * channels + channel[None, :]
        s += tl.load(after + at, mask=mask, other=0.0).to(tl.float32)
    mean = tl.sum(s, axis=1) / channels
    deviation = tl.where(mask, s - mean[:, None], 0.0)
    spread = tl.sqrt(tl.sum(deviation * deviation, axis=1) / channels + eps)
    factor = tl.load(weight + channel, mask=known, other=0.0).to(tl.float32)
    added = tl.load(bias + channel, mask=known, other=0.0).to(tl.float32)
    y = deviation / spread[:, None] * factor[None, :] + added[None, :]
    tl.store(out + place, y.to(out.dtype.element_ty), mask=mask)


@triton.jit(do_not_specialize=["rows"])
def gated_gelu(x, bias, out, rows, channels, HAS_BIAS: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr):
    """x [rows, 2 channels] → of x + bias first half · GELU(second half), [rows, channels]; GELU with erf."""
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    channel = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    mask = (row[:, None] < rows) & (channel[None, :] < channels)
    place = row[:, None] * (2 * channels) + channel[None, :]
    value = tl.load(x + place, mask=mask, other=0.0).to(tl.float32)
    gate = tl.load(x + place + channels, mask=mask, other=0.0).to(tl.float32)
    if HAS_BIAS:
        value += tl.load(bias + channel, mask=channel < channels, other=0.0).to(tl.float32)[None, :]
        gate += tl.load(bias + channels + channel, mask=channel < channels, other=0.0).to(tl.float32)[None, :]
    y = value * 0.5 * gate * (1.0 + tl.erf(gate * 0.7071067811865476))
    tl.store(out + row[:, None] * channels + channel[None, :], y.to(out.dtype.element_ty), mask=mask)


@triton.jit(do_not_specialize=["rows"])
def mix(
    x, y, z, bias, factor, out, rows, channels,
    HAS_Z: tl.constexpr, HAS_BIAS: tl.constexpr, HAS_FACTOR: tl.constexpr, SIGN: tl.constexpr, BLEND: tl.constexpr,
    ROWS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """out = x + s (y + z + bias), or with BLEND (1 − s) x + s (y + z + bias); s = sigmoid(SIGN · factor), or 1."""
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    channel = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    mask = (row[:, None] < rows) & (channel[None, :] < channels)
    place = row[:, None] * channels + channel[None, :]
    base = tl.load(x + place, mask=mask, other=0.0).to(tl.float32)
    added = tl.load(y + place, mask=mask, other=0.0).to(tl.float32)
    if HAS_Z:
        added += tl.load(z + place, mask=mask, other=0.0).to(tl.float32)
    if HAS_BIAS:
        added += tl.load(bias + channel, mask=channel < channels, other=0.0).to(tl.float32)[None, :]
    if HAS_FACTOR:
        s = tl.sigmoid(SIGN * tl.load(factor).to(tl.float32))
        added *= s
        if BLEND:
            base *= 1.0 - s
    tl.store(out + place, (base + added).to(out.dtype.element_ty), mask=mask)


@triton.jit(do_not_specialize=["positions", "frames"])
def attend_over_frames(
    query, key, value, out, positions, frames, channels, scale, FRAMES: tl.constexpr, HEAD: tl.constexpr
):
    """Self-attention of the frames at one position and head; all [B, frames, positions, channels], half precision."""
    index, head = tl.program_id(0).to(tl.int64), tl.program_id(1)
    frame, channel = tl.arange(0, FRAMES), head * HEAD + tl.arange(0, HEAD)
    row = (index // positions * frames + frame) * positions + index % positions
    place = row[:, None] * channels + channel[None, :]
    mask = (frame < frames)[:, None]
    q = tl.load(query + place, mask=mask, other=0.0)
    k = tl.load(key + place, mask=mask, other=0.0)
    v = tl.load(value + place, mask=mask, other=0.0)
    logits = tl.where((frame < frames)[None, :], tl.dot(q, tl.trans(k)) * scale, float("-inf"))
    weights = tl.exp(logits - tl.max(logits, axis=1)[:, None])
    weights = weights / tl.sum(weights, axis=1)[:, None]
    tl.store(out + place, tl.dot(weights.to(v.dtype), v).to(out.dtype.element_ty), mask=mask)
