"""Arrows as other nodes write motion and points: KJNodes coord_str, TRACKS both ways, SAM 3's points. All in px."""

import json
from collections.abc import Iterable

import numpy as np
import torch

from .arrows import Arrow, MotionArrows, along_path, build_arrows, check_size, path_length, path_px
from .sparse import checked_speed
from .timing import progress


def arrows_to_coord_str(arrows: MotionArrows) -> str:
    """KJNodes coord_str, nested: [[{"x": 12.0, "y": 34.0}, ...], ...] px of the reference image; "" for no arrows.

    coord_str knows no strength: a track ends where its arrow really leads to, before or beyond the head.
    """
    if not arrows.arrows:
        return ""
    return _dumped(_travelled(arrow, arrows.width, arrows.height) for arrow in arrows.arrows)


def arrows_to_tracks(
    arrows: MotionArrows, *, frames: int, width: int | None = None, height: int | None = None
) -> tuple[dict[str, torch.Tensor], str]:
    """ComfyUI TRACKS on a width x height px grid (None: the reference image), and the same as KJNodes coord_str.

    TRACKS: {"track_path": float32 [T, N, 2] px, "track_visibility": bool [T, N]}, T = frames. A track is invisible
    where it has left the image. No arrows give one track that is never visible, for N is never 0.
    coord_str: T points for each track; flat, [{"x": 12.0, "y": 34.0}, ...], for one track, else nested; "[]" for no
    arrows. Raises ValueError for frames below 2, and for an arrow that moves more than the diagonal a frame.
    """
    size = (width or arrows.width, height or arrows.height)
    positions = _positions(arrows, frames, *size)
    inside = ((positions >= 0) & (positions <= size)).all(axis=-1)
    text = "[]"
    if not arrows.arrows:
        positions, inside = np.zeros((frames, 1, 2)), np.zeros((frames, 1), dtype=bool)
    else:
        text = _dumped(positions.transpose(1, 0, 2), flat=len(arrows.arrows) == 1)
    return {"track_path": torch.from_numpy(positions).float(), "track_visibility": torch.from_numpy(inside)}, text


def arrows_to_prompts(arrows: MotionArrows) -> tuple[list[str], str]:
    """Points to segment at, as SAM 3's nodes take them, px: a text for each arrow's tail, and one for all pins.

    Each text is [{"x": 12.0, "y": 34.0}, ...], "[]" for no points. Without arrows one "[]" stands for the tails: a node
    after an empty list would fail, and "[]" finds nothing.
    """
    paths = [path_px(arrow.points, width=arrows.width, height=arrows.height) for arrow in arrows.arrows]
    tails = [_dumped([path[:1]], flat=True) for path in paths if len(path) > 1]
    pins = [path for path in paths if len(path) == 1]
    return tails or ["[]"], _dumped([np.concatenate(pins)], flat=True) if pins else "[]"


def _dumped(tracks: Iterable[np.ndarray], *, flat: bool = False) -> str:
    entries = [[{"x": float(x), "y": float(y)} for x, y in track] for track in tracks]
    return json.dumps(entries[0] if flat else entries, allow_nan=False)


def arrows_from_tracks(tracks: dict, *, width: int, height: int) -> MotionArrows:
    """Arrows on a width x height px image from ComfyUI TRACKS (see `arrows_to_tracks`), 2 or more frames.

    `track_visibility` may have one column, [T, 1], for all tracks, as core's masks give it.
    The visible part of a track becomes an arrow of the same speed: seen for n of the T - 1 steps, its strength is
    (T - 1) / n. Tracks never seen are left out, with a note. Raises ValueError for other keys or shapes, non-finite
    visible points, and what `parse_arrows` refuses.
    """
    check_size(width, height)
    path, visible = _checked_tracks(tracks)
    steps = len(path) - 1
    entries, notes = [], []
    for i in range(path.shape[1]):
        seen = visible[:, i].nonzero()[0]
        if not len(seen):
            notes.append(f"track {i + 1} is never visible and was left out")
            continue
        strength = steps / (seen[-1] - seen[0]) if len(seen) > 1 else 1.0
        entries.append((f"a{i + 1}", path[seen, i].tolist(), float(strength)))
    return build_arrows(entries, width=width, height=height, in_px=True, notes=tuple(notes))


def _checked_tracks(tracks: dict) -> tuple[np.ndarray, np.ndarray]:
    for key in ("track_path", "track_visibility"):
        if not isinstance(tracks, dict) or key not in tracks:
            got = sorted(map(str, tracks)) if isinstance(tracks, dict) else type(tracks).__name__
            raise ValueError(f"tracks: got {got}, allowed 'track_path' and 'track_visibility'")
    path = torch.as_tensor(tracks["track_path"]).detach().cpu().double().numpy()
    visible = torch.as_tensor(tracks["track_visibility"]).detach().cpu().bool().numpy()
    if path.ndim != 3 or path.shape[-1] != 2 or path.shape[0] < 2:
        raise ValueError(f"tracks: track_path is {list(path.shape)}, allowed [T, N, 2] with T of 2 or more")
    if visible.shape not in (path.shape[:2], (len(path), 1)):
        raise ValueError(
            f"tracks: track_visibility is {list(visible.shape)}, allowed {list(path.shape[:2])}, or "
            f"{[len(path), 1]} for all tracks at once"
        )
    return path, np.broadcast_to(visible, path.shape[:2])


def _positions(arrows: MotionArrows, frames: int, width: int, height: int) -> np.ndarray:
    """[T, N, 2] px of a width x height grid: where each arrow's tail is at each frame."""
    if frames < 2:
        raise ValueError(f"frames: got {frames}, allowed 2 or more")
    positions = np.zeros((frames, len(arrows.arrows), 2))
    for i, arrow in enumerate(arrows.arrows):
        path, _ = checked_speed(arrow, height=height, width=width, frames=frames)
        way = progress(arrow.timing, np.arange(frames), frames)
        positions[:, i] = along_path(path, path_length(path) * arrow.strength * way)[0]
    return positions


def _travelled(arrow: Arrow, width: int, height: int) -> np.ndarray:
    """The arrow's points [n, 2] px, its end moved along the path to where the strength leads."""
    path = path_px(arrow.points, width=width, height=height)
    if arrow.strength == 1 or len(path) == 1:
        return path
    reached = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(path, axis=0).T))])
    distance = reached[-1] * arrow.strength
    inner = path[1:-1][reached[1:-1] < distance]
    return np.concatenate([path[:1], inner, along_path(path, np.array([distance]))[0]])
