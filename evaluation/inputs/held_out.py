"""The held-out stills and clips of the prepared set."""

from argparse import Namespace
from collections.abc import Sequence
from typing import TypeVar

import torch.nn.functional as F
from torch import Tensor

from ...training.data.flow import estimate_flows
from ...training.data.prepared_set import load, to_unit

Item = TypeVar("Item")


def held_out_stills(arguments: Namespace, size: int) -> list[tuple[str, Tensor]]:
    """(name, picture [1, 3, size, size] -1..1) of arguments.stills pictures in arguments.data, spread over all names.

    ValueError where there are fewer.
    """
    return [(name, resized(still[None], size)) for name, still in chosen(arguments, "stills")]


def held_out_clips(arguments: Namespace, size: int) -> list[tuple[str, Tensor]]:
    """(name, the first arguments.frames frames [L, 3, size, size] -1..1) of arguments.clips clips, likewise.

    ValueError for a clip with fewer frames, too.
    """
    clips = chosen(arguments, "clips")
    for name, clip in clips:
        if len(clip) < arguments.frames:
            raise ValueError(f"--frames: got {arguments.frames}, allowed at most the {len(clip)} of clip {name}")
    return [(name, resized(clip[: arguments.frames], size)) for name, clip in clips]


def flows_of(clips: dict[str, Tensor]) -> list[Tensor]:
    """[L - 1, 2, H, W] px/frame of each clip."""
    return estimate_flows([((clip + 1) * 127.5).round().byte() for clip in clips.values()])


def chosen(arguments: Namespace, kind: str) -> list[tuple[str, Tensor]]:
    pairs = sorted(zip(*load(arguments.data, kind, "held_out"), strict=True), key=lambda pair: pair[0])
    count = getattr(arguments, kind)
    if not 1 <= count <= len(pairs):
        raise ValueError(f"--{kind}: got {count}, allowed 1 to the {len(pairs)} in {arguments.data}")
    return evenly_chosen(pairs, count)


def evenly_chosen(items: Sequence[Item], count: int) -> list[Item]:
    """At most count of them, evenly from the first on."""
    count = min(count, len(items))
    return [items[i * len(items) // count] for i in range(count)]


def resized(pictures: Tensor, size: int) -> Tensor:
    return F.interpolate(to_unit(pictures), size=(size, size), mode="area")
