"""Made scenes: cut-outs that move over a still along known ways, with the true frames, alphas and background.

Nothing of the pack's own composition is used: poses and pictures are made here a second time, by other means.
"""

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from .things import TEXTURE, Cutout, Thing, cut_out

SIDE = 256
LENGTH = 0.3  # of an arrow, of the side
BORDER_PX = 4  # a thing keeps from it, all along its way
APART_PX = 8  # two things of a still
EVEN = 0.16  # standard deviation of -1..1: of the ground that a small thing crosses, where a second one would show
STRAIGHT, CURVED, TURNING, OVER, SMALL = "straight", "curved", "turning", "over", "small"
KINDS = {STRAIGHT: 20, CURVED: 8, TURNING: 8, OVER: 8, SMALL: 8}  # how many of each
SIZES = {  # of the side
    STRAIGHT: (0.2, 0.34),
    CURVED: (0.2, 0.3),
    TURNING: (0.28, 0.42),
    OVER: (0.15, 0.21),
    SMALL: (0.1, 0.14),
}
TRIES = 400
CHECKED = np.linspace(0, 1, 9)  # shares of the way at which a thing must lie inside

Point = tuple[float, float]


@dataclass(frozen=True)
class Mover:
    """A cut-out, where its middle lies in the still, and the arrow that moves it; with a pin it turns about that."""

    name: str
    cutout: Cutout
    middle: np.ndarray  # [2] px
    path: np.ndarray | None  # [n, 2] px, the tail on the thing; None: it stays
    pin: np.ndarray | None = None  # [2] px

    def poses(self, shares: np.ndarray) -> np.ndarray:
        """[m, 2, 3]: what takes px of the still (pixel i spans i..i + 1) to where they are at these shares."""
        found = np.zeros((len(shares), 2, 3))
        found[:, :, :2] = np.eye(2)
        if self.path is None:
            return found
        if self.pin is None:
            found[:, :, 2] = _at(self.path, shares) - self.path[0]
            return found
        angle = np.unwrap(np.arctan2(*(self.path - self.pin).T[::-1]))
        for pose, turn in zip(found, (angle[-1] - angle[0]) * shares, strict=True):
            pose[:, :2] = [[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]]
            pose[:, 2] = self.pin - pose[:, :2] @ self.pin
        return found


@dataclass(frozen=True)
class Scene:
    name: str
    kind: str
    background: Tensor  # [1, 3, H, W] -1..1
    movers: tuple[Mover, ...]  # bottom to top; the last is what is measured
    pins: tuple[Point, ...] = ()  # in 0..1, of the background

    @property
    def mover(self) -> Mover:
        return self.movers[-1]

    def frames(self, shares: np.ndarray) -> tuple[Tensor, Tensor]:
        """The true frames [m, 3, H, W] -1..1 at these shares of the way, and the alpha of the last thing [m, 1, H, W].

        At 0 it is the still, of whole grey levels.
        """
        pictures = []
        for share in shares:
            frame = self.background[0].permute(1, 2, 0).numpy()
            for mover in self.movers:
                drawn = drawn_at(mover, share)
                frame = frame * (1 - drawn[..., 3:]) + 2 * drawn[..., :3] - drawn[..., 3:]
            pictures.append(torch.from_numpy(frame).permute(2, 0, 1))
        frames = ((torch.stack(pictures) + 1) * 127.5).round().clamp(0, 255) / 127.5 - 1
        return frames.float(), torch.stack([alpha_at(self.mover, share) for share in shares])

    def still(self) -> Tensor:
        """[1, 3, H, W] -1..1."""
        return self.frames(np.zeros(1))[0]

    def masks(self) -> list[Tensor]:
        """[1, 1, H, W] of 0 and 1, of each thing in the still, as one would paint it."""
        return [(alpha_at(mover, 0.0) > 0.5).float()[None] for mover in self.movers]


def drawn_at(mover: Mover, share: float) -> np.ndarray:
    """Colours times alpha, and alpha, [SIDE, SIDE, 4] 0..1, of a thing at a share of its way: drawn twice as fine."""
    pose = mover.poses(np.array([share]))[0]
    place = TEXTURE * (pose[:, :2] @ (mover.middle - mover.cutout.middle / TEXTURE) + pose[:, 2])
    shift = pose[:, :2] @ (0.5, 0.5) + place - 0.5  # OpenCV counts from the middle of the first pixel
    move, fine = np.column_stack([pose[:, :2], shift]), (SIDE * TEXTURE, SIDE * TEXTURE)
    drawn = cv2.warpAffine(mover.cutout.pixels, move, fine, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    return cv2.resize(drawn, (SIDE, SIDE), interpolation=cv2.INTER_AREA)


def alpha_at(mover: Mover, share: float) -> Tensor:
    """[1, H, W] 0..1."""
    return torch.from_numpy(drawn_at(mover, share)[..., 3].copy())[None]


def make_scenes(things: Sequence[Thing], stills: dict[str, np.ndarray], backgrounds: Sequence[str]) -> list[Scene]:
    """KINDS of them, the same for the same pictures. stills: [h, w, 3] 0..1, of things and of backgrounds."""
    made = []
    for kind, count in KINDS.items():
        for _ in range(count):
            made.append(_scene(len(made), kind, things, stills, backgrounds))
    return made


def _scene(
    number: int, kind: str, things: Sequence[Thing], stills: dict[str, np.ndarray], backgrounds: Sequence[str]
) -> Scene:
    thing = things[number % len(things)]
    under = things[(number * 5 + 3) % len(things)]
    others = [name for name in backgrounds if name not in (thing.still, under.still)]
    rng = np.random.default_rng(zlib.crc32(f"{number} {kind} {thing.name}".encode()))
    size = rng.uniform(*SIZES[kind]) * SIDE
    for attempt in range(TRIES):
        behind = others[(number * 7 + (attempt if kind == SMALL else 0)) % len(others)]
        name = f"{number:02d} {kind}: {thing.name} on {behind}"
        small = cv2.resize(stills[behind], (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        background = torch.from_numpy(small * 2 - 1).permute(2, 0, 1)[None].float()
        mover = _drawn(thing, stills[thing.still], kind, size, rng)
        size *= 0.995 if kind != SMALL else 1
        if not _inside(mover) or (kind == SMALL and not _is_even(background, mover)):
            continue
        if kind != OVER:
            pins = _pins(mover, rng) if kind == STRAIGHT and number % 2 else ()
            return Scene(name, kind, background, (mover,), pins)
        lower = _crossed(under, stills[under.still], mover, rng, moving=bool(number % 2))
        if _inside(lower) and _apart(lower, mover):
            return Scene(name, kind, background, (lower, mover))
    raise ValueError(f"scene {number} {kind}: no place found for {thing.name} in {TRIES} tries")


def _drawn(thing: Thing, still: np.ndarray, kind: str, size_px: float, rng: np.random.Generator) -> Mover:
    """A thing anywhere, with its arrow."""
    cutout = cut_out(thing, still, size_px)
    middle = rng.uniform(0.1, 0.9, 2) * SIDE
    resting = Mover(thing.name, cutout, middle, None)
    if kind == TURNING:
        pin, tail = _ends(resting)
        angles = np.linspace(0, math.radians(rng.uniform(50, 90)) * rng.choice((-1, 1)), 13)
        arm = (tail - pin) @ (1, 1j) * np.exp(1j * angles)
        return Mover(thing.name, cutout, middle, pin + np.column_stack([arm.real, arm.imag]), pin)
    direction = rng.uniform(0, 2 * math.pi)
    bend = math.radians(rng.uniform(80, 150)) * rng.choice((-1, 1)) if kind == CURVED else 0.0
    headings = direction + np.linspace(-bend / 2, bend / 2, 24 if kind == CURVED else 1)
    steps = np.column_stack([np.cos(headings), np.sin(headings)]) * LENGTH * SIDE / len(headings)
    tail = _deepest(alpha_at(resting, 0.0)[0].numpy() > 0.5)
    return Mover(thing.name, cutout, middle, np.concatenate([tail[None], tail + steps.cumsum(axis=0)]))


def _crossed(thing: Thing, still: np.ndarray, above: Mover, rng: np.random.Generator, *, moving: bool) -> Mover:
    """A thing that lies in the other's way; moving: on a short arrow of its own."""
    cutout = cut_out(thing, still, rng.uniform(*SIZES[OVER]) * SIDE)
    aside = rng.normal(0, 8, 2)
    middle = above.middle + (above.path[-1] - above.path[0]) * rng.uniform(0.75, 1.0) + aside
    if not moving:
        return Mover(thing.name, cutout, middle, None)
    angle = rng.uniform(0, 2 * math.pi)
    vector = np.array([math.cos(angle), math.sin(angle)]) * LENGTH / 4 * SIDE
    alpha = alpha_at(Mover(thing.name, cutout, middle, None), 0.0)[0].numpy()
    tail = _deepest(alpha > 0.5) if (alpha > 0.5).any() else middle
    return Mover(thing.name, cutout, middle, np.stack([tail, tail + vector]))


def _pins(mover: Mover, rng: np.random.Generator) -> tuple[Point, ...]:
    """Two of the background, as people set them: beside the thing's way."""
    along = mover.path[-1] - mover.path[0]
    across = np.array([-along[1], along[0]]) / np.hypot(*along)
    size = max(mover.cutout.middle) / TEXTURE + 0.06 * SIDE
    points = [mover.middle + side * across * size + along * rng.uniform(0, 0.6) for side in (-1, 1)]
    return tuple((float(x), float(y)) for x, y in (np.array(points) / SIDE).clip(0.02, 0.98))


def _inside(mover: Mover) -> bool:
    """Whether all of it stays BORDER_PX and more from the border, all along."""
    shown = np.zeros((SIDE, SIDE), bool)
    for share in CHECKED if mover.path is not None else CHECKED[:1]:
        now = drawn_at(mover, share)[..., 3]
        whole = mover.cutout.pixels[..., 3].sum() / TEXTURE**2
        if now.sum() < 0.995 * whole:
            return False
        shown |= now > 0.02
    shown[BORDER_PX:-BORDER_PX, BORDER_PX:-BORDER_PX] = False
    return not shown.any()


def _is_even(background: Tensor, mover: Mover) -> bool:
    """Whether the ground that a thing crosses is of about one colour."""
    crossed = torch.stack([alpha_at(mover, share) for share in CHECKED]).amax(0)[0] > 0.02
    return float(background[0][:, crossed].std(dim=1).mean()) < EVEN


def _apart(one: Mover, other: Mover) -> bool:
    near = np.ones((2 * APART_PX + 1, 2 * APART_PX + 1), np.uint8)
    first, second = ((drawn_at(mover, 0.0)[..., 3] > 0.02).astype(np.uint8) for mover in (one, other))
    return not (cv2.dilate(first, near) & second).any()


def _deepest(mask: np.ndarray) -> np.ndarray:
    """[2] px: the point of a mask [H, W] farthest from its edge."""
    depth = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    y, x = np.unravel_index(depth.argmax(), depth.shape)
    return np.array([x + 0.5, y + 0.5])


def _ends(mover: Mover) -> tuple[np.ndarray, np.ndarray]:
    """Points [2] px well inside the two ends of a thing, along its longer axis."""
    mask = alpha_at(mover, 0.0)[0].numpy() > 0.5
    depth = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    points = np.argwhere(mask)[:, ::-1] + 0.5
    if len(points) < 8:
        return mover.middle, mover.middle + 1
    axis = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)[2][0]
    along = (points - points.mean(axis=0)) @ axis
    deep = depth[mask]
    found = []
    for part in (along <= np.quantile(along, 0.25), along >= np.quantile(along, 0.75)):
        found.append(points[part][deep[part].argmax()])
    return found[0], found[1]


def _at(path: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """[m, 2]: points of a path [n, 2] at shares of its length."""
    lengths = np.concatenate([[0], np.hypot(*np.diff(path, axis=0).T).cumsum()])
    return np.column_stack([np.interp(shares * lengths[-1], lengths, axis) for axis in path.T])
