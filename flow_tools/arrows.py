"""Motion arrows: the frozen data, its geometry, and reading it from text, where every limit is checked, once."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

VERSION = 1
MAX_ARROWS = 4096
MAX_BYTES = 1024 * 1024
MAX_DEPTH = 8
LARGEST = 1e100  # of a number: its square is still finite

SPACE = " \t\r\n\ufeff"  # with the byte order mark; the same for the editor, see stripped() in state.js
_NUMBER = re.compile(r"[ \t]*[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[ \t]*")

Point = tuple[float, float]


@dataclass(frozen=True)
class Arrow:
    """Points in 0..1 of the reference image, x right, y down, tail first. One point is a pin: "stay still here".

    At strength 1 what is at the tail reaches the head by the last frame; 2 is twice as far.
    """

    id: str
    points: tuple[Point, ...]
    strength: float = 1.0


@dataclass(frozen=True)
class MotionArrows:
    """Arrows on a reference image of width x height px; `notes` says what was changed when they were read."""

    arrows: tuple[Arrow, ...]
    width: int
    height: int
    notes: tuple[str, ...] = ()


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
    The editor's JSON may also hold a region, see region.py. A byte order mark counts as space.

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
        strength = _number(strength, f"arrow {name}: strength")
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
    """All arrows of one or more parts on the same image. ValueError for more than 4,096 together."""
    counts = [len(part.arrows) for part in parts]
    if sum(counts) > MAX_ARROWS:
        got = " + ".join(map(str, counts))
        raise ValueError(f"arrows, coordinates and tracks: got {got} arrows, allowed at most {MAX_ARROWS} together")
    return MotionArrows(
        tuple(arrow for part in parts for arrow in part.arrows),
        parts[0].width,
        parts[0].height,
        tuple(note for part in parts for note in part.notes),
    )


def check_size(width: int, height: int) -> None:
    """Raises ValueError unless both are positive whole numbers of px."""
    for name, value in (("width", width), ("height", height)):
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ValueError(f"reference image {name}: got {value!r}, allowed a whole number of 1 px or more")


def within_limits(text: str) -> str:
    """The text itself; ValueError where it is more than 1 MB or nested deeper than 8."""
    if not isinstance(text, str):
        raise ValueError(f"arrows: got {type(text).__name__}, allowed text")
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > MAX_BYTES:
        raise ValueError(f"arrows: got {size:,} bytes of text, allowed at most {MAX_BYTES:,}")
    depth = 0
    for token in re.finditer(r'"[^"\\]*(?:\\[\s\S][^"\\]*)*"?|[\[{]|[\]}]', text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(token[0], 0)
        if depth > MAX_DEPTH:
            raise ValueError(f"arrows: nested deeper than {MAX_DEPTH} at character {token.start()}")
    return text


def parse_json(text: str) -> Any:
    """What the JSON says; single quotes count as double. ValueError where it is none, or says NaN or Infinity."""
    try:
        return _loads(text)
    except ValueError as error:
        quoted = within_limits(text.replace("'", '"'))  # as Python prints lists, and some packs pass them on
        try:
            return _loads(quoted)
        except ValueError:
            raise ValueError(f"arrows: not JSON: {error}") from None


def _loads(text: str) -> Any:
    return json.loads(text.strip(SPACE), parse_constant=_no_number, parse_int=_whole)


def _no_number(token: str) -> None:
    raise ValueError(f"{token} is no number of JSON")


def _whole(digits: str) -> int | float:
    return int(digits) if len(digits) < 400 else float(digits)  # Python reads 4,300 digits at most


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
    if version != VERSION or isinstance(version, bool):
        raise ValueError(f"arrows: version = {short(version)}, allowed {VERSION}")
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
    raw = []
    for i, entry in enumerate(entries):
        if not isinstance(entry, dict):
            raise ValueError(f"arrow {i}: got {short(entry)}, allowed an object with 'points'")
        name = entry.get("id", f"a{i + 1}")
        if not isinstance(name, str):
            raise ValueError(f"arrow {i}: id = {short(name)}, allowed text")
        raw.append((name, entry.get("points"), entry.get("strength", 1.0)))
    return build_arrows(raw, width=width, height=height, in_px=False, notes=tuple(notes))


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
    return _number(value[0], f"{where}: x"), _number(value[1], f"{where}: y")


def _number(value: object, where: str) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        if abs(value) <= LARGEST:  # not so for NaN
            return float(value)
    raise ValueError(f"{where} = {short(value)}, allowed a finite number, at most {LARGEST:g}")


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


def short(value: object) -> str:
    """The value for an error message, 60 characters at most."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
