"""One click on a thing, then two corrections, on made scenes with known masks: how much of the thing is found.

A scene is a shape cut from other pictures and pasted on one. A correction is made as a person makes it: a click into
the middle of the largest fault, which adds or takes away what is found there.
"""

import importlib.util
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from ...flow_tools.arrows import Point
from ...flow_tools.grabcut import object_at
from ...training.data.prepared_set import read_still, to_unit
from ..options import at_least
from ..output.console import table

SIDE = 384  # of the longer side, px
ASPECTS = (1.0, 1.5, 2 / 3)
RADII = (0.06, 0.22)  # of a thing, of the longer side
CORRECTIONS = 2
TEMPLATES = tuple(f"comfyui_workflow_templates_media_{part}" for part in ("api", "image", "other", "video"))

Finder = Callable[..., Tensor]  # see object_at


@dataclass(frozen=True)
class Scene:
    kind: str
    picture: Tensor  # [1, 3, H, W] -1..1
    mask: np.ndarray  # bool [H, W]
    point: Point  # where a person clicks on it, in 0..1


def add_arguments(parser: ArgumentParser) -> None:
    parser.description = __doc__
    parser.add_argument(
        "--pictures", type=Path, help="folder of pictures to make scenes of (default: those of ComfyUI's own templates)"
    )
    parser.add_argument("--scenes", type=at_least(len(KINDS)), default=60, help="how many (default: %(default)s)")


def run(arguments: Namespace) -> None:
    made = scenes(pictures(arguments.pictures), arguments.scenes)
    found = measure(made)
    rows = []
    for kind in (*KINDS, "all"):
        chosen = found[[kind in (scene.kind, "all") for scene in made]]
        rows.append([kind, len(chosen), *chosen.mean(axis=0)[[0, -1]], *np.median(chosen, axis=0)[[0, -1]]])
    last = f"and {CORRECTIONS} corrections"
    print(table(("IoU", "scenes", "click, mean", f"{last}, mean", "click, median", f"{last}, median"), rows))


def measure(made: Sequence[Scene], find: Finder = object_at) -> np.ndarray:
    """[scenes, 1 + CORRECTIONS]: the IoU of what `find` finds, after the click and after each correction."""
    return np.array([_ious(scene, find) for scene in made])


def pictures(folder: Path | None) -> list[np.ndarray]:
    """RGB [H, W, 3] in 0..255, those with light and shade, of a folder or of ComfyUI's templates."""
    if folder is None:
        specs = filter(None, map(importlib.util.find_spec, TEMPLATES))
        folders = [Path(place) / "templates" for spec in specs for place in spec.submodule_search_locations or ()]
        files = sorted(file for place in folders for file in place.glob("*.webp") if _is_still(file))
    else:
        files = sorted(file for file in folder.rglob("*") if file.suffix in (".webp", ".png", ".jpg"))
    read = [read_still(file).permute(1, 2, 0).numpy() for file in files]
    return [picture for picture in read if picture.std() > 40 and 50 < picture.mean() < 205]


def _is_still(file: Path) -> bool:
    return b"ANIM" not in file.read_bytes()[:64]


def scenes(from_pictures: Sequence[np.ndarray], count: int) -> list[Scene]:
    """`count` of them, the kinds by turns, the same for the same pictures. ValueError for fewer than 3 pictures."""
    if len(from_pictures) < 3:
        raise ValueError(f"--pictures: got {len(from_pictures)} with light and shade, allowed 3 or more")
    return [_scene(from_pictures, list(KINDS)[i % len(KINDS)], np.random.default_rng(i)) for i in range(count)]


def _scene(from_pictures: Sequence[np.ndarray], kind: str, rng: np.random.Generator) -> Scene:
    aspect = rng.choice(ASPECTS)
    width, height = (SIDE, round(SIDE / aspect)) if aspect >= 1 else (round(SIDE * aspect), SIDE)
    ground, *others = (_cut(from_pictures[i], width, height, rng) for i in rng.permutation(len(from_pictures))[:3])
    alpha = _shape(width, height, rng)
    alpha = cv2.GaussianBlur(alpha, (0, 0), 0.7)[..., None]
    picture = alpha * KINDS[kind](ground, others, rng) + (1 - alpha) * ground
    mask = alpha[..., 0] > 0.5
    image = to_unit(torch.from_numpy(picture.round().astype(np.uint8)).permute(2, 0, 1))[None]
    return Scene(kind, image, mask, _inside(mask, rng))


def _cut(picture: np.ndarray, width: int, height: int, rng: np.random.Generator) -> np.ndarray:
    """A part of the picture of this size, float32, half of them mirrored."""
    scale = max(width / picture.shape[1], height / picture.shape[0])
    sides = [max(round(side * scale), least) for side, least in zip(picture.shape[1::-1], (width, height), strict=True)]
    large = cv2.resize(picture, sides, interpolation=cv2.INTER_AREA).astype(np.float32)
    x, y = rng.integers(sides[0] - width + 1), rng.integers(sides[1] - height + 1)
    part = large[y : y + height, x : x + width]
    return part[:, ::-1] if rng.random() < 0.5 else part


def _shape(width: int, height: int, rng: np.random.Generator) -> np.ndarray:
    """float32 [H, W] of 0 and 1: a wavy blob, one with two lobes that stick out of it, or a bent band."""
    y, x = np.mgrid[:height, :width] + 0.5
    radius = SIDE * rng.uniform(*RADII)
    center = np.array([rng.uniform(0.3, 0.7) * width, rng.uniform(0.3, 0.7) * height])

    def blob(at: np.ndarray, size: float) -> np.ndarray:
        angle = np.arctan2(y - at[1], x - at[0])
        waves = sum(0.2 / k * np.cos(k * angle + rng.uniform(0, 2 * np.pi)) for k in range(2, 6))
        return np.hypot(x - at[0], y - at[1]) < size * (1 + waves)

    def towards(angle: float) -> np.ndarray:
        return center + radius * np.array([np.cos(angle), np.sin(angle)])

    kind, turn = rng.choice(3), rng.uniform(0, 2 * np.pi)
    if kind == 2:
        bend = np.array([towards(turn + share * np.pi) for share in np.linspace(0, 1.2, 25)])
        band = np.zeros((height, width), np.float32)
        return cv2.polylines(band, [bend.round().astype(np.int32)], False, 1.0, thickness=round(radius * 0.7))
    inside = blob(center, radius)
    if kind == 1:
        inside |= blob(towards(turn), radius * 0.45) | blob(towards(turn + rng.uniform(1, 5)), radius * 0.45)
    return inside.astype(np.float32)


def _plain(ground: np.ndarray, others: Sequence[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """One colour of another picture, shaded."""
    return _shaded(_color(others[0], rng), ground.shape, rng)


def _textured(ground: np.ndarray, others: Sequence[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    return others[0]


def _two_colored(ground: np.ndarray, others: Sequence[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """Large checks, half of them one colour, half of them another picture."""
    return np.where(_wave(ground.shape, SIDE * 0.3, rng), _plain(ground, others[1:], rng), others[0])


def _striped(ground: np.ndarray, others: Sequence[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    first, second = (_shaded(_color(other, rng), ground.shape, rng) for other in others)
    return np.where(_wave(ground.shape, SIDE * rng.uniform(0.05, 0.1), rng), first, second)


def _alike(ground: np.ndarray, others: Sequence[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """Another part of the same picture, which only its outline tells from it."""
    return ground[::-1, ::-1]


KINDS = {"plain": _plain, "textured": _textured, "two-coloured": _two_colored, "striped": _striped, "alike": _alike}


def _color(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return picture[rng.integers(picture.shape[0]), rng.integers(picture.shape[1])]


def _shaded(color: np.ndarray, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    y, x = np.mgrid[: shape[0], : shape[1]] / SIDE
    angle = rng.uniform(0, 2 * np.pi)
    light = 1 + 0.6 * ((x - 0.5) * np.cos(angle) + (y - 0.5) * np.sin(angle))
    return (color * light[..., None] + rng.normal(0, 3, shape)).clip(0, 255)


def _wave(shape: tuple[int, ...], period_px: float, rng: np.random.Generator) -> np.ndarray:
    """bool [H, W, 1]: bands across the picture, half a period wide."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    angle = rng.uniform(0, 2 * np.pi)
    return (np.sin(2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / period_px) > 0)[..., None]


def _inside(mask: np.ndarray, rng: np.random.Generator) -> Point:
    """A point well inside the mask, in 0..1."""
    depth = _depth(mask)
    y, x = rng.choice(np.argwhere(depth >= 0.6 * depth.max()))
    return (x + 0.5) / mask.shape[1], (y + 0.5) / mask.shape[0]


def _depth(mask: np.ndarray) -> np.ndarray:
    """How far each pixel of the mask lies from outside of it, px; beyond the picture is outside."""
    padded = cv2.copyMakeBorder(mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    return cv2.distanceTransform(padded, cv2.DIST_L2, 5)[1:-1, 1:-1]


def _ious(scene: Scene, find: Finder) -> list[float]:
    def found(point: Point, pins: Sequence[Point]) -> np.ndarray:
        try:
            return find(scene.picture, point, pins)[0, 0].numpy() > 0.5
        except ValueError:
            return np.zeros_like(scene.mask)

    inside, outside = [scene.point], []
    mask = found(scene.point, ())
    ious = [_iou(mask, scene.mask)]
    for _ in range(CORRECTIONS):
        missing, excess = _depth(scene.mask & ~mask), _depth(mask & ~scene.mask)
        fault = missing if missing.max() >= excess.max() else excess
        y, x = np.unravel_index(fault.argmax(), fault.shape)
        point = ((x + 0.5) / mask.shape[1], (y + 0.5) / mask.shape[0])
        if fault is missing:
            mask |= found(point, outside)
            inside.append(point)
        else:
            mask &= ~found(point, inside)
            outside.append(point)
        ious.append(_iou(mask, scene.mask))
    return ious


def _iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())
