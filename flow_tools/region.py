"""The region that the arrow editor paints: where the picture may move."""

from typing import TypeGuard

import numpy as np
import torch
from torch import Tensor

from .arrows import SPACE, parse_json, short, within_limits

MAX_SIDE = 4096


def parse_region(text: str) -> Tensor | None:
    """[1, 1, h, w] of 0 and 1 at the region's own size, to be stretched over the picture; None where none is painted.

    `text` is the editor's JSON (see `parse_arrows`) with "region": {"size": [w, h], "runs": [...]}: lengths along the
    rows from the top left, by turns of pixels outside and inside, outside first. Raises ValueError for a size that is
    not two whole numbers 1..4096, runs that are not whole numbers of 0 or more, or that do not make w * h pixels.
    """
    text = within_limits(text).strip(SPACE)
    data = parse_json(text) if text.startswith("{") else {}
    region = data.get("region")
    if region is None:
        return None
    if not isinstance(region, dict):
        raise ValueError(f"region: got {short(region)}, allowed an object with 'size' and 'runs'")
    size, runs = region.get("size"), region.get("runs")
    if not (_are_whole(size) and len(size) == 2 and all(1 <= side <= MAX_SIDE for side in size)):
        raise ValueError(f"region: size = {short(size)}, allowed [width, height], each 1..{MAX_SIDE}")
    if not _are_whole(runs):
        raise ValueError(f"region: runs = {short(runs)}, allowed whole numbers of 0 or more")
    width, height = map(int, size)
    runs = [int(run) for run in runs]
    if sum(runs) != width * height:
        raise ValueError(f"region: runs make {sum(runs)} pixels, allowed {width} x {height} = {width * height}")
    pixels = np.repeat(np.arange(len(runs)) % 2, runs)
    return torch.from_numpy(pixels).float().view(1, 1, height, width)


def _are_whole(values: object) -> TypeGuard[list[float]]:
    """As JSON has whole numbers, 2.0 among them."""
    return isinstance(values, list) and all(
        type(value) in (int, float) and 0 <= value < 1e16 and value == int(value) for value in values
    )
