"""How the segments of a long video are joined. "restart" is the paper's; the others are this pack's own.

Every frame beyond the first segment V1 begins as V1's estimate of one of its own frames, or as two of them blended, and
the network then denoises the video in windows of V1's length:

- restart: V1 again and again. Each segment jumps back to the still.
- offset windows: the same, but every other step's windows lie half a segment earlier, across the joins, so that the
  texture goes on. The first of them looks at V1's own last frames.
- crossfade: offset windows, and before a pass through V1 has ended the next one fades in over a third of it, both
  moving, as the layers of an endlessly advected texture are blended (Max & Becker 1995). So that no pass is a copy of
  another, each shows the picture's pixels at slightly different times: a smooth field of whole frames, its steps
  equal parts of all that changes.
- loop: crossfade over half of V1, without that field: periodic, as the symmetric loop of Holynski et al. (2021).
- ping-pong: V1 forwards and backwards in turn, slowing down before each turn: nothing fades, but motion runs back.

Where two pictures are blended, each pixel keeps the contrast that the two have on average: a plain mean of unlike
pictures has less, and the video would go dull in every fade.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

RESTART, OFFSET_WINDOWS, CROSSFADE, LOOP, PING_PONG = "restart", "offset windows", "crossfade", "loop", "ping-pong"
SLOWING = 1 / 8  # of a segment, before a turn
GRID = 4  # random numbers along a side of the field of times
TRIES = 8  # fields drawn for each pass; the one least like those before is taken
FLAT = 1e-6  # a variance that is none
SAME = 0.03  # a difference, of a range of 2 and of latents of unit variance, that hardly is one


@dataclass(frozen=True)
class Join:
    """How one pass through V1 follows another."""

    overlap: float = 0.0  # of a segment, in which the next pass fades in
    max_time_offset: float = 0.0  # of a segment: how far apart in time the pixels of a pass are
    window_offset: float = 0.5  # of a segment: how much earlier every other step's windows begin; 0: segments are whole
    turns: bool = False  # V1 runs forwards and backwards instead, and the numbers above mean nothing


JOINS = {
    RESTART: Join(window_offset=0.0),
    OFFSET_WINDOWS: Join(),
    CROSSFADE: Join(overlap=1 / 3, max_time_offset=1 / 6),
    LOOP: Join(overlap=0.5),
    PING_PONG: Join(turns=True),
}


@dataclass(frozen=True)
class Timeline:
    """What N frames begin as: two passes through V1 blended, 1 - weight and weight, each at its own frame of V1."""

    frame: Tensor  # [2, N] of V1: the older pass's, the newer's
    number: Tensor  # [2, N] which pass: 0, 1, ..
    weight: Tensor  # [N] of the newer pass
    clock: Tensor  # [N] float64, in frames of V1: when an object is shown, which must not be shown twice in a fade
    time_offset: Tensor  # [passes, h, w]: by how many frames each pixel is ahead in a pass; pass 0 is V1 itself
    segment: int  # L, frames of V1 and of a window
    kept: int  # frames at the start that are V1's own and stay
    window_offset: int  # how much earlier every other step's windows begin; 0: never

    def __len__(self) -> int:
        return len(self.weight)

    def blend(self, values: Tensor, start: int = 0, stop: int | None = None) -> Tensor:
        """Pictures or latents [L, C, h', w'] of V1's frames -> those of the frames start..stop, see `keep_contrast`.

        Or [n L, C, h', w']: each pass has frames of its own, as where it is a segment that was sampled by itself.
        """
        older, newer, weight = self._passes(values, start, stop)
        mixed = older * (1 - weight) + newer * weight
        fading = weight.flatten() > 0
        if fading.any():
            grid = min(values.shape[-2:], self.time_offset.shape[-2:])
            two = (older[fading], newer[fading])
            mixed[fading] = keep_contrast(mixed[fading], *two, weight[fading], grid=(grid[0], grid[1]))
        return mixed

    def mean(self, values: Tensor, start: int = 0, stop: int | None = None) -> Tensor:
        """Numbers [L] or features [L, C, h', w'] of V1's frames -> those of the frames start..stop."""
        older, newer, weight = self._passes(values, start, stop)
        return older * (1 - weight) + newer * weight

    def most(self, values: Tensor, start: int = 0, stop: int | None = None) -> Tensor:
        """As `blend`, but the larger of the two values."""
        return torch.maximum(*self._passes(values, start, stop)[:2])

    def _passes(self, values: Tensor, start: int, stop: int | None) -> list[Tensor]:
        """The older pass's values, the newer's, and the newer's weight in their shape."""
        found = []
        for frame, number in zip(self.frame[:, start:stop], self.number[:, start:stop], strict=True):
            frame = frame + number * self.segment if len(values) > self.segment else frame
            if values.ndim == 1:
                found.append(values[frame])
                continue
            finer = values.shape[-1] > self.time_offset.shape[-1]  # pictures: no edges where the time offset changes
            time_offset = self.time_offset[number].float()[:, None]
            time_offset = F.interpolate(time_offset, size=values.shape[-2:], mode="bilinear" if finer else "nearest")
            index = (frame.view(-1, 1, 1, 1) + time_offset).expand(-1, *values.shape[1:])
            below = values.gather(0, index.long())
            found.append(torch.lerp(below, values.gather(0, index.ceil().long()), index.frac()) if finer else below)
        return [*found, self.weight[start:stop].to(values).view(-1, *[1] * (values.ndim - 1))]

    def windows(self, shifted: bool) -> list[tuple[int, int]]:
        """(first frame, first frame that it gives) of windows of L that give every frame from `kept` on once."""
        found, given = [], self.kept
        start = self.kept - self.window_offset * shifted
        while given < len(self):
            start = min(start, len(self) - self.segment)
            found.append((start, given))
            start = given = start + self.segment
        return found


def plan_joins(
    joins: str,
    *,
    segment: int,
    total_frames: int,
    change: Tensor,
    generator: torch.Generator | None = None,
    passes: int | None = None,
) -> Timeline:
    """The timeline of total_frames; of whole segments where windows have no offset, so of up to L - 1 more.

    The first L frames are kept as they are, less the last ones where a crossfade or a turn begins. change [h, w]: how
    much V1 changes at each pixel, for joins with a time offset, which alone draw from the generator. passes: how many
    there are, the last of which runs to its end, and total_frames is at most `longest`; None: as many as it takes.
    """
    if joins not in JOINS:
        raise ValueError(f"joins: got {joins!r}, allowed {', '.join(JOINS)}")
    if total_frames < 1:
        raise ValueError(f"total_frames: got {total_frames}, allowed 1 or more")
    join = JOINS[joins]
    if join.turns:
        return there_and_back(segment, total_frames, change)
    overlap, max_time_offset = int(join.overlap * segment), int(join.max_time_offset * segment)
    if not join.window_offset:
        total_frames = -(-total_frames // segment) * segment
    begins = [0]
    while begins[-1] + segment - overlap < total_frames and len(begins) != passes:
        length = segment - max_time_offset if len(begins) > 1 else segment
        begins.append(begins[-1] + length - overlap)
    begins = torch.tensor(begins)
    frame = torch.arange(total_frames)
    newer = torch.searchsorted(begins, frame, right=True) - 1
    age = frame - begins[newer]
    fading = (age < overlap) & (newer > 0)
    older = torch.where(fading, newer - 1, newer)
    fields = [torch.zeros(change.shape, dtype=torch.long)]
    for _ in begins[1:]:
        drawn = [
            random_time_offsets(change, max_time_offset, generator) for _ in range(TRIES if max_time_offset else 0)
        ]
        fields.append(min(drawn, key=lambda field: agreement(field, fields, change), default=fields[0]))
    return Timeline(
        frame=torch.stack([frame - begins[older], age]),
        number=torch.stack([older, newer]),
        weight=torch.where(fading, (age + 1) / (overlap + 1), 0.0),
        clock=there_and_back(segment, total_frames, change).clock if overlap else age.double(),
        time_offset=torch.stack(fields),
        segment=segment,
        kept=min(total_frames, segment - overlap if total_frames > segment else segment),
        window_offset=int(join.window_offset * segment),
    )


def longest(joins: str, *, segment: int, passes: int) -> int:
    """How many frames so many passes make, at most; as many as they have where V1 turns, which can go on for ever."""
    join = JOINS[joins]
    lost = 0 if join.turns else int(join.overlap * segment) + int(join.max_time_offset * segment)
    return segment + (passes - 1) * (segment - lost)


def there_and_back(segment: int, total_frames: int, change: Tensor) -> Timeline:
    """V1 to its end and back, and again; the speed is V1's, but changes evenly from forwards to backwards in a turn."""
    slowing = int(SLOWING * segment)  # frames of V1 before it turns; the turn takes four times as many
    kept = min(total_frames, segment - slowing if total_frames > segment else segment)
    steady = segment - 1 - 2 * slowing
    half = max(steady + 4 * slowing, 1)  # of its period
    time = torch.arange(total_frames).double() - slowing
    passed = time.remainder(half)
    turning = (passed - steady).clamp_min(0)
    position = slowing + passed - turning.square() / max(4 * slowing, 1)
    back = time.div(half, rounding_mode="floor") % 2 == 1
    position[back] = segment - 1 - position[back]
    position[:kept] = torch.arange(kept).double()
    return Timeline(
        frame=torch.stack([position.floor(), position.ceil()]).long(),
        number=torch.zeros((2, total_frames), dtype=torch.long),
        weight=position.frac(),
        clock=position,
        time_offset=torch.zeros((1, *change.shape), dtype=torch.long),
        segment=segment,
        kept=kept,
        window_offset=segment // 2,
    )


def keep_contrast(mixed: Tensor, older: Tensor, newer: Tensor, weight: Tensor, *, grid: tuple[int, int]) -> Tensor:
    """mixed [n, C, h, w] of older and newer, which has weight [n, 1, 1, 1], at the contrast that they have on average.

    Contrast is the variance around each pixel, see `local_moments`. Two unlike pictures lose up to half of it when
    blended; where they agree, `mixed` stays as it is. Variance-preserving blending (Heitz & Neyret 2018), but for the
    correlation, which is measured, not taken to be none.
    """
    mean, variance = local_moments(mixed, grid)
    weight = weight.float()
    wanted = (1 - weight) * local_moments(older, grid)[1] + weight * local_moments(newer, grid)[1]
    gain = ((wanted + FLAT) / (variance + FLAT)).sqrt().clamp(1, 2**0.5) - 1
    if grid != mixed.shape[-2:]:
        finer = {"size": mixed.shape[-2:], "mode": "bilinear", "align_corners": False}
        mean, gain = F.interpolate(mean, **finer), F.interpolate(gain, **finer)
    difference = (older - newer).float().square().mean(1, keepdim=True)  # nearby ones must not change what stays
    return (mixed + (mixed - mean) * gain * difference / (difference + SAME**2)).to(mixed)


def local_moments(values: Tensor, grid: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """(mean [n, C, *grid], variance [n, 1, *grid], over the channels too) of 3 x 3 cells of `grid` over values."""

    def around(x: Tensor) -> Tensor:
        cells = x if grid == x.shape[-2:] else F.interpolate(x, size=grid, mode="area")
        return F.avg_pool2d(F.pad(cells, (1, 1, 1, 1), mode="replicate"), 3, stride=1)

    values = values.float()
    mean = around(values)
    return mean, (around(values.square().mean(1, keepdim=True)) - mean.square().mean(1, keepdim=True)).clamp_min(0)


def random_time_offsets(change: Tensor, max_time_offset: int, generator: torch.Generator | None) -> Tensor:
    """A smooth random field [h, w] of 0..max_time_offset frames, an equal part of the sum of `change` each."""
    noise = torch.randn((1, 1, GRID, GRID), generator=generator)
    smooth = F.interpolate(noise, size=change.shape, mode="bicubic", align_corners=True).flatten()
    order = smooth.argsort()
    weight = change.double().flatten().cpu()[order] + 1e-12
    rank = torch.empty_like(weight)
    rank[order] = (weight.cumsum(0) - weight / 2) / weight.sum()
    return (rank * (max_time_offset + 1)).long().clamp(max=max_time_offset).view(change.shape)


def agreement(field: Tensor, others: list[Tensor], change: Tensor) -> float:
    """The largest fraction of `change` where field and another one differ by the same number of frames."""
    weight = change.double().flatten()
    fractions = [
        torch.bincount((field - other).flatten() + field.max() + other.max(), weights=weight).max() for other in others
    ]
    return float(torch.stack(fractions).max() / weight.sum())
