"""Arrows as people draw them: on points with texture, pointing somewhere, the same ones for the same picture."""

import math
import zlib

import cv2
import numpy as np
import torch
from torch import Tensor

from ...flow_tools.arrows import Arrow, MotionArrows, path_px

LENGTHS = (0.12, 0.20)  # of the frame's side
MARGIN = 0.06  # from the border, of the side; for tails, heads, mirrored heads and pins
APART = 0.35  # between two arrows' tails, of the side
FAR = 0.45  # from an arrow's tail to its pin
ROOM = 0.08  # of a region, beyond the arrow's length
MOST_CORNERS = 60  # corners to choose from
DIRECTIONS = 64  # tried for each position


def arrow_sets(image: Tensor, name: str) -> dict[str, MotionArrows]:
    """ "one" arrow, "two" equal arrows apart, an arrow and a far "pin", for image [1, 3, H, W] -1..1.

    The name seeds the choice. ValueError for a picture without enough corners.
    """
    height, width = image.shape[-2:]
    positions = textured_positions(image)
    if len(positions) < 2:
        raise ValueError(f"picture {name}: {len(positions)} places with texture, allowed 2 or more")
    rng = np.random.default_rng(zlib.crc32(name.encode()))

    def arrows(*paths) -> MotionArrows:
        named = (Arrow(f"a{i}", tuple((float(x), float(y)) for x, y in path)) for i, path in enumerate(paths, 1))
        return MotionArrows(tuple(named), width, height)

    tail, vector = draw_arrow(positions, rng)
    one = arrows((tail, tail + vector))
    tail, vector = draw_arrow(positions, rng)
    fitting = [position for position in positions if fits(position, vector)]
    other = distant(fitting, tail, APART, rng)
    two = arrows((tail, tail + vector), (other, other + vector))
    tail, vector = draw_arrow(positions, rng)
    return {"one": one, "two": two, "pin": arrows((tail, tail + vector), (distant(positions, tail, FAR, rng),))}


def region_around(arrow: Arrow, *, height: int, width: int) -> Tensor:
    """The mask [1, 1, H, W] of 0 or 1 that a person would paint for an arrow: a disc about its tail, past its head."""
    path = path_px(arrow.points, width=width, height=height)
    radius = np.linalg.norm(path[-1] - path[0]) + ROOM * max(height, width)
    y, x = np.mgrid[:height, :width] + 0.5
    inside = np.hypot(x - path[0][0], y - path[0][1]) <= radius
    return torch.from_numpy(inside).float()[None, None]


def textured_positions(image: Tensor) -> np.ndarray:
    """[n, 2] in 0..1: the corners that trackers like (Shi & Tomasi, CVPR 1994), away from the border."""
    height, width = image.shape[-2:]
    gray = ((image[0].mean(0) + 1) * 127.5).clamp(0, 255).byte().numpy()
    corners = cv2.goodFeaturesToTrack(
        gray, maxCorners=MOST_CORNERS, qualityLevel=0.02, minDistance=max(height, width) / 32
    )
    if corners is None:
        return np.empty((0, 2))
    positions = (corners[:, 0].astype(np.float64) + 0.5) / (width, height)
    return positions[((positions >= MARGIN) & (positions <= 1 - MARGIN)).all(axis=1)]


def negated(arrows: MotionArrows) -> MotionArrows:
    """Every head mirrored about its tail; pins stay."""
    turned = []
    for arrow in arrows.arrows:
        (x, y) = arrow.points[0]
        turned.append(Arrow(arrow.id, tuple((2 * x - px, 2 * y - py) for px, py in arrow.points), arrow.strength))
    return MotionArrows(tuple(turned), arrows.width, arrows.height)


def fits(tail: np.ndarray, vector: np.ndarray) -> bool:
    ends = np.stack([tail + vector, tail - vector])
    return bool(((ends >= MARGIN) & (ends <= 1 - MARGIN)).all())


def draw_arrow(positions: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """(tail, vector) so that the head and the mirrored head lie inside."""
    for tail in rng.permutation(positions):
        for _ in range(DIRECTIONS):
            angle, length = rng.uniform(0, 2 * math.pi), rng.uniform(*LENGTHS)
            vector = length * np.array([math.cos(angle), math.sin(angle)])
            if fits(tail, vector):
                return tail, vector
    raise ValueError(f"no arrow fits: all {len(positions)} places lie at the border")


def distant(positions, tail: np.ndarray, least: float, rng: np.random.Generator) -> np.ndarray:
    """One of the positions `least` or more from tail; the farthest where none is."""
    distances = np.linalg.norm(np.asarray(positions) - tail, axis=1)
    far = np.flatnonzero(distances >= least)
    return positions[int(rng.choice(far)) if len(far) else int(distances.argmax())]
