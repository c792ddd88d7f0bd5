"""Motion arrows: the frozen data, its geometry, and reading it from text, where every limit is checked, once."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from torch import Tensor

from .arrow_text import SPACE, are_whole, number, parse_json, short, within_limits
from .region import objects_of

VERSION = 2  # 1 has no objects and no timing
MAX_ARROWS = 4096
STEADY, EASE, SWAY = "steady", "ease", "sway"
TIMINGS = (STEADY, EASE, SWAY)  # see timing.py
_NUMBER = re.compile(r"[ \t]*[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[ \t]*")

Point = tuple[float, float]


@dataclass(frozen=True)
class Arrow:
    """Points in 0..1 of the reference image, x right, y down, tail first. One point is a pin: "stay still here".

    At strength 1 what is at the tail reaches the head by the last frame; 2 is twice as far. An arrow moves the object
    whose number it carries, or the area around it; a pin holds it.
    """

    id: str
    points: tuple[Point, ...]
    strength: float = 1.0
    object: int | None = None  # 1 is the first
    timing: str = STEADY


@dataclass(frozen=True)
class MotionArrows:
    """Arrows on a reference image of width x height px; `notes` says what was changed when they were read."""

    arrows: tuple[Arrow, ...]
    width: int
    height: int
    notes: tuple[str, ...] = ()
    objects: tuple[Tensor, ...] = field(default=(), compare=False)  # masks [1, 1, h, w] 0..1, to be stretched over it


def path_px(points: Iterable[Point], *, width: int, height: int) -> np.ndarray:
    """The points [n, 2] in px on a width x height grid, without repeated neighbours; a pin has n = 1."""
    path = np.asarray(tuple(points), dtype=np.float64) * (width, height)
    moved = _lengths(np.diff(path, axis=0)) > 0
    return path[np.concatenate([[True], moved])]


def path_length(path: np.ndarray) -> float:
    """Length in px of the polyline `path` [n, 2]."""
    return float(_lengths(np.diff(path, axis=0)).sum())


def along_path(path: np.ndarray, distances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions [m, 2] and unit tangents [m, 2] at `distances` [m] px along the polyline `path` [n, 2].

    Beyond its end the path goes straight on. At a corner the tangent is that of the segment that begins there. A single
    point has zero tangents.
    """
    if len(path) == 1:
        return np.repeat(path, len(distances), axis=0), np.zeros((len(distances), 2))
    segments = np.diff(path, axis=0)
    lengths = _lengths(segments)
    starts = np.concatenate([[0.0], np.cumsum(lengths)[:-1]])
    index = np.clip(np.searchsorted(starts, distances, side="right") - 1, 0, len(segments) - 1)
    tangents = (segments / lengths[:, None])[index]
    return path[index] + tangents * (distances - starts[index])[:, None], tangents


def _lengths(vectors: np.ndarray) -> np.ndarray:
    """[n] of vectors [n, 2]; hypot squares nothing, so the smallest vectors have a length, too."""
    return np.hypot(vectors[:, 0], vectors[:, 1])


def parse_arrows(text: str, *, width: int, height: int) -> MotionArrows:
    """Arrows on a width x height px image, from any of these; points outside are clipped to its border and noted.

    - The editor's JSON, 0..1: {"version": 1, "ref": [w, h], "arrows": [{"id": "a1", "points": [[x, y], ...],
      "strength": 1.0}]}
    - KJNodes coord_str, px: [[{"x": 12, "y": 34}, ...], ...], or one track flat. Single quotes are read too.
    - DragNUWA, px, one point a frame: [[[x, y], ...], ...]
    - Motion-I2V, px: lines "startX,startY,endX,endY"
    - Nothing but space: no arrows.
    The editor's JSON may also hold a region and objects, see region.py; in version 2 an arrow may have "object": 1, the
    number of the one that it moves, and "timing": "steady", "ease" or "sway". A byte order mark counts as space.

    Of the last three, a text whose numbers all lie in 0..1 and are not all whole is no px: see `_in_px`, with a note.
    A track that is straight within half a px becomes a straight arrow, one that stands still within that a pin.
    The editor reads and refuses the same texts: tests/arrow_texts.json.
    Raises ValueError, with the arrow's name, for anything else: no JSON, more than 1 MB, nested deeper than 8, more
    than 4,096 arrows, NaN, infinite or enormous numbers, a negative strength, an arrow without points.
    """
    check_size(width, height)
    text = within_limits(text).strip(SPACE)
    if not text:
        return MotionArrows((), width, height)
    if text[0] not in "{[":
        return _from_tracks(_tracks_from_csv(text), width, height)
    data = parse_json(text)
    if isinstance(data, dict):
        return _from_editor(data, width, height)
    return _from_tracks(_tracks_from_list(data), width, height)


def build_arrows(
    entries: Iterable[tuple[str, Any, Any]], *, width: int, height: int, in_px: bool, notes: tuple[str, ...] = ()
) -> MotionArrows:
    """Checks and clips (id, points, strength) entries; points as pairs in 0..1, or in px where `in_px`.

    Tracks in px lose the samples that a straight arrow or a pin does not need. Errors: see `parse_arrows`.
    """
    entries = list(entries)
    if len(entries) > MAX_ARROWS:
        raise ValueError(f"arrows: got {len(entries)}, allowed at most {MAX_ARROWS}")
    arrows, found = [], list(notes)
    for name, points, strength in entries:
        strength = number(strength, f"arrow {name}: strength")
        if strength < 0:
            raise ValueError(f"arrow {name}: strength = {strength:g}, allowed 0 or more")
        if not isinstance(points, list | tuple) or not points:
            raise ValueError(f"arrow {name}: points = {short(points)}, allowed a list of one or more [x, y]")
        path = [_point(point, f"arrow {name}, point {i}") for i, point in enumerate(points)]
        if in_px:
            path = [(x / width, y / height) for x, y in _simplified(path)]
        clipped = [(min(max(x, 0.0), 1.0), min(max(y, 0.0), 1.0)) for x, y in path]
        found += [
            f"arrow {name}: point {i} at ({before[0]:g}, {before[1]:g}) clipped to the border"
            for i, (before, after) in enumerate(zip(path, clipped, strict=True))
            if before != after
        ]
        arrows.append(Arrow(name, tuple(clipped), strength))
    return MotionArrows(tuple(arrows), width, height, tuple(found))


def join_arrows(parts: Sequence[MotionArrows]) -> MotionArrows:
    """All arrows and objects of one or more parts on the same image. ValueError for more than 4,096 arrows together."""
    counts = [len(part.arrows) for part in parts]
    if sum(counts) > MAX_ARROWS:
        got = " + ".join(map(str, counts))
        raise ValueError(f"arrows, coordinates and tracks: got {got} arrows, allowed at most {MAX_ARROWS} together")
    arrows, objects = [], []
    for part in parts:
        arrows += [a if a.object is None else replace(a, object=a.object + len(objects)) for a in part.arrows]
        objects += part.objects
    notes = tuple(note for part in parts for note in part.notes)
    return MotionArrows(tuple(arrows), parts[0].width, parts[0].height, notes, tuple(objects))


def check_size(width: int, height: int) -> None:
    """Raises ValueError unless both are positive whole numbers of px."""
    for name, value in (("width", width), ("height", height)):
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ValueError(f"reference image {name}: got {value!r}, allowed a whole number of 1 px or more")


def _from_tracks(tracks: list[tuple[str, object, float]], width: int, height: int) -> MotionArrows:
    tracks, notes = _in_px(tracks, width, height)
    return build_arrows(tracks, width=width, height=height, in_px=True, notes=notes)


def _in_px(
    tracks: list[tuple[str, Any, float]], width: int, height: int
) -> tuple[list[tuple[str, Any, float]], tuple[str, ...]]:
    """Tracks in px, and a note where they were not.

    Numbers that are not all whole and lie in 0..1 are fractions of the width and the height. The `normalized_str` of
    KJNodes' Spline Editor is another thing, 1 - x / height and 1 - y / height of whole px: it is taken for that where
    all numbers fit it on this image, and they are not whole px as fractions. On a square image both always fit, and the
    numbers count as fractions.
    """
    if not tracks or not all(isinstance(points, list) and points for _, points, _ in tracks):
        return tracks, ()  # build_arrows says what is wrong
    paths = [[_point(p, f"arrow {name}, point {i}") for i, p in enumerate(points)] for name, points, _ in tracks]
    numbers = np.array([point for path in paths for point in path])
    if (numbers == np.floor(numbers)).all() or numbers.max() > 1:
        return tracks, ()
    size = np.array([width, height])
    mirrored = (1 - numbers) * height
    if _are_px(mirrored) and (mirrored <= size).all() and not _are_px(numbers * size):
        paths = [[((1 - x) * height, (1 - y) * height) for x, y in path] for path in paths]
        note = "read as the normalized_str of KJNodes' Spline Editor, 1 - x / height and 1 - y / height"
    elif numbers.min() >= 0:
        paths = [[(x * width, y * height) for x, y in path] for path in paths]
        note = "numbers from 0 to 1, read as fractions of the image's width and height"
    else:
        return tracks, ()
    return [(name, path, strength) for (name, _, strength), path in zip(tracks, paths, strict=True)], (note,)


def _are_px(numbers: np.ndarray) -> bool:
    return bool((np.abs(numbers - np.round(numbers)) < 1e-6).all())


def _from_editor(data: dict, width: int, height: int) -> MotionArrows:
    version = data.get("version")
    if version not in (1, VERSION) or isinstance(version, bool):
        raise ValueError(f"arrows: version = {short(version)}, allowed 1 or {VERSION}")
    entries = data.get("arrows")
    if not isinstance(entries, list):
        raise ValueError(f"arrows: 'arrows' = {short(entries)}, allowed a list")
    notes = []
    if "ref" in data:
        ref = _point(data["ref"], "arrows: 'ref'")
        if min(ref) <= 0:
            raise ValueError(f"arrows: 'ref' = {short(data['ref'])}, allowed [width, height] in px")
        if abs(ref[0] * height / (ref[1] * width) - 1) > 0.02:
            notes.append(f"drawn on {ref[0]:g}x{ref[1]:g}, stretched to {width}x{height}, which has another shape")
    objects = objects_of(data) if version == VERSION else ()
    raw, manners = [], []
    for i, entry in enumerate(entries):
        if not isinstance(entry, dict):
            raise ValueError(f"arrow {i}: got {short(entry)}, allowed an object with 'points'")
        name = entry.get("id", f"a{i + 1}")
        if not isinstance(name, str):
            raise ValueError(f"arrow {i}: id = {short(name)}, allowed text")
        raw.append((name, entry.get("points"), entry.get("strength", 1.0)))
        manners.append(_manner(entry, name, len(objects)) if version == VERSION else {})
    built = build_arrows(raw, width=width, height=height, in_px=False, notes=tuple(notes))
    arrows = (replace(arrow, **manner) for arrow, manner in zip(built.arrows, manners, strict=True))
    return replace(built, arrows=tuple(arrows), objects=objects)


def _manner(entry: dict, name: str, objects: int) -> dict[str, Any]:
    """What an arrow moves, and when, as version 2 says it."""
    found, timing = entry.get("object"), entry.get("timing", STEADY)
    if found is not None and not (are_whole([found]) and 1 <= found <= objects):
        allowed = f"1..{objects}, the objects of the text" if objects else "none: the text has no objects"
        raise ValueError(f"arrow {name}: object = {short(found)}, allowed {allowed}")
    if timing not in TIMINGS:
        raise ValueError(f"arrow {name}: timing = {short(timing)}, allowed {', '.join(TIMINGS)}")
    return {"object": None if found is None else int(found), "timing": timing}


def _tracks_from_list(data: list) -> list[tuple[str, object, float]]:
    """KJNodes' flat or nested lists of {"x", "y"}, and DragNUWA's nested lists of [x, y]."""
    flat = bool(data) and isinstance(data[0], dict)
    return [(f"a{i + 1}", track, 1.0) for i, track in enumerate([data] if flat else data)]


def _tracks_from_csv(text: str) -> list[tuple[str, object, float]]:
    tracks = []
    lines = (line.strip(" \t") for line in re.split(r"\r\n|\r|\n", text))
    for i, line in enumerate(filter(None, lines)):
        fields = line.split(",")
        if len(fields) != 4 or not all(map(_NUMBER.fullmatch, fields)):
            allowed = "JSON, or lines startX,startY,endX,endY in px"
            raise ValueError(f"arrows, line {i + 1}: got {short(line)}, allowed {allowed}")
        x0, y0, x1, y1 = map(float, fields)
        tracks.append((f"a{i + 1}", [(x0, y0), (x1, y1)], 1.0))
    return tracks


def _point(value: object, where: str) -> Point:
    if isinstance(value, dict):
        value = [value.get("x"), value.get("y")]
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise ValueError(f"{where}: got {short(value)}, allowed a pair [x, y]")
    return number(value[0], f"{where}: x"), number(value[1], f"{where}: y")


def _simplified(path: list[Point]) -> list[Point]:
    """Tail and head of a track that runs straight within half a px, its tail if it stands still, else all of it.

    The editor does the same, see thinned() in formats.js.
    """
    points = np.asarray(path)
    if _lengths(points - points[0]).max() <= 0.5:
        return path[:1]
    chord = points[-1] - points[0]
    length = np.hypot(*chord)
    if length == 0:
        return path
    ahead = (points - points[0]) @ chord / length
    aside = np.abs((points - points[0]) @ (chord[1], -chord[0])) / length
    back = np.maximum.accumulate(ahead) - ahead
    straight = aside.max() <= 0.5 and back.max() <= 0.5
    return [path[0], path[-1]] if straight else path
