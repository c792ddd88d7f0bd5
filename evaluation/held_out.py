"""The held-out stills and clips of the prepared set."""

from argparse import Namespace

import torch.nn.functional as F
from torch import Tensor

from ..training.data import load, to_unit


def held_out_stills(arguments: Namespace, size: int) -> list[tuple[str, Tensor]]:
    """(name, picture [1, 3, size, size] -1..1) of arguments.stills pictures in arguments.data, spread over all names.

    ValueError where there are fewer.
    """
    return [(name, resized(still[None], size)) for name, still in spread(arguments, "stills")]


def held_out_clips(arguments: Namespace, size: int) -> list[tuple[str, Tensor]]:
    """(name, the first arguments.frames frames [L, 3, size, size] -1..1) of arguments.clips clips, likewise.

    ValueError for a clip with fewer frames, too.
    """
    clips = spread(arguments, "clips")
    for name, clip in clips:
        if len(clip) < arguments.frames:
            raise ValueError(f"--frames: got {arguments.frames}, allowed at most the {len(clip)} of clip {name}")
    return [(name, resized(clip[: arguments.frames], size)) for name, clip in clips]


def spread(arguments: Namespace, kind: str) -> list[tuple[str, Tensor]]:
    names, pictures = load(arguments.data, kind, "held_out")
    count = getattr(arguments, kind)
    if not 1 <= count <= len(names):
        raise ValueError(f"--{kind}: got {count}, allowed 1 to the {len(names)} in {arguments.data}")
    order = sorted(range(len(names)), key=names.__getitem__)
    return [(names[i], pictures[i]) for i in (order[i * len(names) // count] for i in range(count))]


def resized(pictures: Tensor, size: int) -> Tensor:
    return F.interpolate(to_unit(pictures), size=(size, size), mode="area")
