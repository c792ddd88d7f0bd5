"""Regions of the picture that live: water, clouds and leaves that move by themselves, over and over."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from .curl_noise import curl_noise
from .flowing import flowing, mean_around
from .objects import fitted
from .sway import above_root, sway
from .warp import backward_warp

RUNNING_WATER, CALM_WATER, CLOUDS, LEAVES = "running water", "calm water", "clouds or smoke", "leaves or grass"
SIDE = 256  # px of the longer side that amplitudes are given at
EDGE = 5 / 256  # of the longer side: over which a region begins to live
FAST = 1.5  # px/frame at SIDE: what runs faster is the still again sooner, or it would be drawn out
SLOW = 0.02  # px/frame at SIDE: what flows slower flows nowhere
OFFSET, OFFSET_SIZE = 1.75, 0.1  # px at SIDE, and share of the side: how another copy of the still differs


@dataclass(frozen=True)
class Kind:
    amplitude: float  # of leaves px, of all else px/frame, at SIDE
    size: float  # share of the longer side
    period: float  # frames
    reset: float  # frames
    squeeze: float = 1.0  # eddies are so many times as wide as high
    stretch: float = 1.0  # and so many times as long along a flow as fast as they are, as across it
    together: float = 0.0  # see `flowing`


KINDS = {
    RUNNING_WATER: Kind(0.9, 0.145, 12.5, 25, stretch=2),
    CALM_WATER: Kind(0.5, 0.09, 12.5, 25, squeeze=4),
    CLOUDS: Kind(0.4, 0.19, 25, 25, together=0.7),
    LEAVES: Kind(3.0, 0.14, 12.5, 25),
}


@dataclass(frozen=True)
class Living:
    """A region and how it lives; None: as its kind does."""

    region: Tensor = field(compare=False, repr=False)  # [1, 1, h, w] 0..1, to be stretched over the picture
    kind: str
    seed: int = 0
    amplitude: float | None = None  # as Kind has them
    size: float | None = None
    period: float | None = None
    reset: float | None = None

    def of_kind(self, name: str) -> float:
        value = getattr(self, name)
        return getattr(KINDS[self.kind], name) if value is None else value


@dataclass(frozen=True)
class Life:
    """What a region does in a segment of L frames, of H × W px."""

    region: Tensor  # [1, 1, H, W] 0..1
    weight: Tensor  # [1, 1, H, W] 0..1: how much of what is seen there lives
    flow: Tensor  # [L, 2, H, W] px/frame inside; the last step leads to frame 0
    swayed: Tensor | None = None  # [L, 2, H, W] px by which what is at p has been moved; None: it flows
    resets: int = 1
    offsets: Tensor | None = None  # [2 · resets − 1, 2, H, W] px, see `flowing`
    together: float = 0.0  # likewise
    goes_on: Tensor | float = 0.0  # 0..1: how much of the flow goes on outside of the region


def life(living: Living, background: Tensor, frames: int) -> Life:
    """In a segment of `frames`, over background [N, 2, H, W] px/frame: its flow, N = 1 or frames − 1."""
    height, width = background.shape[-2:]
    scale = max(height, width) / SIDE
    region = fitted(living.region, background)
    weight = soft(region)
    kind = KINDS[living.kind]
    size, amplitude = living.of_kind("size"), living.of_kind("amplitude") * scale
    cycles, seed = _whole(frames, living.of_kind("period")), living.seed
    if living.kind == LEAVES:
        wind = sway(height, width, frames, amplitude=amplitude, size=size, cycles=cycles, seed=seed)
        moved = wind.to(background) * weight * above_root(weight)
        return Life(region, weight, torch.roll(moved, -1, 0) - moved, moved)
    stretch, along = _along(background, region, kind.stretch, amplitude, slow=SLOW * scale)
    eddies = partial(curl_noise, height, width, squeeze=kind.squeeze * stretch, along=along)
    longer = math.sqrt(stretch)
    noise = eddies(frames, amplitude=amplitude, size=size * longer, cycles=cycles, seed=seed)
    speed = background.norm(dim=1, keepdim=True).mean(0, keepdim=True)
    goes_on = _share_outside(speed, region)
    steps = background if len(background) == 1 else torch.cat([background, background[-1:]])
    flow = steps * (weight + goes_on * (1 - weight)) + noise.to(background) * weight
    reset = living.reset
    if reset is None:
        reset = living.of_kind("reset") / (2 if _mean_inside(speed, region) > FAST * scale else 1)
    resets = _whole(frames, reset)
    others = eddies(2 * resets - 1, amplitude=OFFSET * scale, size=OFFSET_SIZE * longer, cycles=1, seed=seed + 1)
    offsets = others.to(background) * weight
    return Life(region, weight, flow, resets=resets, offsets=offsets, together=kind.together, goes_on=goes_on)


def _mean_inside(values: Tensor, region: Tensor) -> Tensor:
    """[C]: of [1, C, H, W], in the region [1, 1, H, W]."""
    return (values * region).sum((0, 2, 3)) / region.sum().clamp(min=1)


def _along(
    background: Tensor, region: Tensor, most: float, amplitude: float, *, slow: float
) -> tuple[float, tuple[float, float]]:
    """How many times as long along the region's flow as across it an eddy is, up to `most`, and which way that is.

    Round eddies in a flow as fast as themselves throw it about: narrow falls as a whole.
    """
    x, y = _mean_inside(background.mean(0, keepdim=True), region).tolist()
    speed = math.hypot(x, y)
    if most == 1 or speed <= slow:
        return 1.0, (1.0, 0.0)
    return 1 + (most - 1) * min(speed / max(amplitude, slow), 1), (x / speed, y / speed)


def _whole(frames: int, length: float) -> int:
    return max(round(frames / length), 1)


def soft(region: Tensor) -> Tensor:
    """The region [1, 1, H, W] with a soft edge, nowhere more than itself."""
    return region * (2 * mean_around(mean_around(region, EDGE), EDGE) - 1).clamp(0, 1)


def _share_outside(speed: Tensor, region: Tensor) -> Tensor:
    """0..1: the speed [1, 1, H, W] just outside of the region over that just inside; 1 where it has no outside."""
    near = mean_around(region, 2 * EDGE)
    outside, inside = near * (1 - region), (1 - near) * region
    if not outside.sum() > 0:
        return speed.new_ones(())
    means = [(speed * weight).sum() / weight.sum().clamp(min=1e-6) for weight in (outside, inside)]
    return (means[0] / means[1].clamp(min=1e-6)).clamp(0, 1)


def moving_plate(still: Tensor, own: Life, on_frame: Callable[[], None] = lambda: None) -> Tensor:
    """[L, 3, H, W]: still [1, 3, H, W] −1..1 as it lives in the region. on_frame: see `flowing`."""
    if own.swayed is not None:
        return torch.cat([still, backward_warp(still, -own.swayed[1:], mode="bicubic")]).clamp(-1, 1)
    return flowing(
        still,
        own.region,
        own.flow,
        resets=own.resets,
        offsets=own.offsets,
        together=own.together,
        on_frame=on_frame,
    )


def plates(
    still: Tensor,
    living: Sequence[Living],
    background: Tensor,
    frames: int,
    on_frame: Callable[[], None] = lambda: None,
) -> tuple[Tensor, Tensor]:
    """What living regions show: colours times share [frames, 3, H, W], and share [1, 1, H, W] 0..1.

    Later ones lie above. still [1, 3, H, W] −1..1; background as for `life`. The rest is what the flow makes of the
    still without them. A soft edge fades into that as far as the flow goes on outside, into the still where it ends.
    on_frame: see `flowing`.
    """
    colours, share = torch.zeros_like(still).expand(frames, -1, -1, -1), torch.zeros_like(still[:, :1])
    for each in living:
        own = life(each, background, frames)
        edge = (own.region - own.weight) * (1 - own.goes_on)
        above = own.weight + edge
        colours = colours * (1 - above) + moving_plate(still, own, on_frame) * own.weight + still * edge
        share = share + above * (1 - share)
    return colours, share


def with_life(background: Tensor, living: Sequence[Living], frames: int) -> Tensor:
    """background, as for `life`, with the living regions' own flow → [frames − 1, 2, H, W] px/frame."""
    seen = background.expand(frames - 1, -1, -1, -1)
    for each in living:
        own = life(each, background, frames)
        seen = torch.lerp(seen, own.flow[: frames - 1], own.region)
    return seen
