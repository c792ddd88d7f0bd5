"""What the arrow editor paints: where the picture may move, and which things in it move as things."""

import numpy as np
import torch
from torch import Tensor

from .arrow_text import SPACE, are_whole, parse_json, short, within_limits
from .convention import MAX_MASKS

MAX_SIDE = 4096


def parse_region(text: str) -> Tensor | None:
    """[1, 1, h, w] of 0 and 1 at the region's own size, to be stretched over the picture; None where none is painted.

    `text` is the editor's JSON (see `parse_arrows`) with "region", see `mask_of`.
    """
    text = within_limits(text).strip(SPACE)
    data = parse_json(text) if text.startswith("{") else {}
    region = data.get("region")
    return None if region is None else mask_of(region, "region")


def objects_of(data: dict) -> tuple[Tensor, ...]:
    """The masks of "objects" in the editor's JSON, each see `mask_of`. ValueError for more than 64, or no list."""
    entries = data.get("objects")
    if entries is None:
        return ()
    if not isinstance(entries, list):
        raise ValueError(f"objects: got {short(entries)}, allowed a list")
    if len(entries) > MAX_MASKS:
        raise ValueError(f"objects: got {len(entries)}, allowed at most {MAX_MASKS}")
    return tuple(mask_of(entry, f"object {i + 1}") for i, entry in enumerate(entries))


def mask_of(painted: object, name: str) -> Tensor:
    """[1, 1, h, w] of 0 and 1 from {"size": [w, h], "runs": [...]}.

    The runs are lengths along the rows from the top left, by turns of pixels outside and inside, outside first. Raises
    ValueError, with the name, for a size that is not two whole numbers 1..4096, runs that are not whole numbers of 0 or
    more, or that do not make w * h pixels.
    """
    if not isinstance(painted, dict):
        raise ValueError(f"{name}: got {short(painted)}, allowed an object with 'size' and 'runs'")
    size, runs = painted.get("size"), painted.get("runs")
    if not (are_whole(size) and len(size) == 2 and all(1 <= side <= MAX_SIDE for side in size)):
        raise ValueError(f"{name}: size = {short(size)}, allowed [width, height], each 1..{MAX_SIDE}")
    if not are_whole(runs):
        raise ValueError(f"{name}: runs = {short(runs)}, allowed whole numbers of 0 or more")
    width, height = map(int, size)
    runs = [int(run) for run in runs]
    if sum(runs) != width * height:
        raise ValueError(f"{name}: runs make {sum(runs)} pixels, allowed {width} x {height} = {width * height}")
    pixels = np.repeat(np.arange(len(runs)) % 2, runs)
    return torch.from_numpy(pixels).float().view(1, 1, height, width)


def painted(mask: Tensor) -> dict[str, list[int]]:
    """{"size": [w, h], "runs": [...]} of a mask [1, 1, h, w] of 0 and 1: what `mask_of` reads."""
    inside = mask[0, 0].numpy(force=True) > 0.5
    before = np.concatenate([[False], inside.ravel()])
    changes = np.flatnonzero(before[1:] != before[:-1])
    runs = np.diff(np.concatenate([[0], changes, [inside.size]]))
    return {"size": [inside.shape[1], inside.shape[0]], "runs": runs.tolist()}
