"""Things cut out of held-out stills: outlines by hand, pulled to the edge with GrabCut once, and kept as polygons."""

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

MATERIAL = Path(__file__).with_name("scenes.json")
PARTS = 1000  # of a still's side, the unit of the outlines
TEXTURE = 2  # pixels of a cut-out per pixel of a frame, along a side
FINE = 8  # pixels that an outline is drawn with, per pixel of a cut-out
BITS = 8  # of the fraction of such a pixel
MARGIN_PX = 12  # of a cut-out, about the outline


@dataclass(frozen=True)
class Thing:
    """An outline, outer and inner rings alike: what lies in an odd number of them is the thing."""

    name: str
    still: str
    soft_px: float  # how soft its edge is, standard deviation in px of a frame
    rings: tuple[np.ndarray, ...]  # [n, 2] each, in 0..1 of the still


@dataclass(frozen=True)
class Cutout:
    """Colours times alpha and alpha, TEXTURE times as fine as a frame; its middle is that of the thing's extent."""

    pixels: np.ndarray  # [h, w, 4] 0..1

    @property
    def middle(self) -> np.ndarray:
        """[2] in its own px."""
        return np.array(self.pixels.shape[1::-1]) / 2


def material() -> tuple[dict[str, Thing], list[str]]:
    """(things by name, names of the stills that make backgrounds)."""
    return _things("things"), _content()["backgrounds"]


def photographed() -> dict[str, Thing]:
    """Things by name in photographs of the repository's own; `still` is the file."""
    return _things("photographed")


def _things(key: str) -> dict[str, Thing]:
    return {
        name: Thing(
            name,
            entry["still"],
            entry["soft_px"],
            tuple(np.array(ring, dtype=np.float64) / PARTS for ring in entry["outlines"]),
        )
        for name, entry in _content()[key].items()
    }


def _content() -> dict:
    return json.loads(MATERIAL.read_text(encoding="utf-8"))


def extent(thing: Thing) -> tuple[np.ndarray, np.ndarray]:
    """Its least and largest x and y, [2] each, in 0..1 of its still."""
    points = np.concatenate(thing.rings)
    return points.min(axis=0), points.max(axis=0)


def cut_out(thing: Thing, still: np.ndarray, longest_px: float) -> Cutout:
    """Of still [h, w, 3] 0..1, so large that its longer side is `longest_px` px of a frame."""
    side = np.array(still.shape[1::-1], dtype=np.float64)
    low, high = (corner * side for corner in extent(thing))
    scale = longest_px * TEXTURE / (high - low).max()  # px of the cut-out per px of the still
    size = np.ceil((high - low) * scale).astype(int) + 2 * MARGIN_PX
    shift = size / 2 - (low + high) / 2 * scale  # where the still's corner lies, in px of the cut-out
    colour = _placed(still, scale, shift, size)
    fine = np.zeros(size[::-1] * FINE, np.uint8)
    corners = [(ring * side * scale + shift) * FINE - 0.5 for ring in thing.rings]  # OpenCV counts from pixels' middles
    cv2.fillPoly(fine, [np.round(ring * 2**BITS).astype(np.int32) for ring in corners], 255, shift=BITS)
    alpha = cv2.resize(fine, size.tolist(), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    alpha = cv2.GaussianBlur(alpha, (0, 0), thing.soft_px * TEXTURE)[..., None]
    alpha[[0, -1]] = alpha[:, [0, -1]] = 0
    return Cutout(np.concatenate([colour * alpha, alpha], axis=-1))


def _placed(still: np.ndarray, scale: float, shift: np.ndarray, size: np.ndarray) -> np.ndarray:
    """The still enlarged by `scale` with its corner at `shift`, as much of it as `size` [2] px show."""
    small = still
    if scale < 1:  # averaged first, so that nothing flickers
        sides = [max(1, round(length * scale)) for length in still.shape[1::-1]]
        small = cv2.resize(still, sides, interpolation=cv2.INTER_AREA)
    factor = np.array(still.shape[1::-1]) * scale / small.shape[1::-1]
    move = np.array([[factor[0], 0, shift[0] + factor[0] / 2 - 0.5], [0, factor[1], shift[1] + factor[1] / 2 - 0.5]])
    placed = cv2.warpAffine(small, move, size.tolist(), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return placed.clip(0, 1)
