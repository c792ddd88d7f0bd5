"""Arrows as other packs write motion: KJNodes coord_str, and ComfyUI's TRACKS both ways. All of them in px."""

import json

import numpy as np
import torch

from .arrows import Arrow, MotionArrows, along_path, build_arrows, check_size, path_length, path_px


def arrows_to_coord_str(arrows: MotionArrows, *, frames: int | None = None) -> str:
    """KJNodes coord_str, nested: [[{"x": 12.0, "y": 34.0}, ...], ...] px of the reference image; "" for no arrows.

    coord_str knows no strength: a track ends where its arrow really leads to, before or beyond the head. With `frames`
    a track has one point a frame, as WanTrackToVideo and ATI want it, else the arrow's own points.
    """
    if not arrows.arrows:
        return ""
    if frames is not None:
        tracks = _positions(arrows, frames).transpose(1, 0, 2)
    else:
        tracks = [_travelled(arrow, arrows.width, arrows.height) for arrow in arrows.arrows]
    return json.dumps([[{"x": float(x), "y": float(y)} for x, y in track] for track in tracks], allow_nan=False)


def arrows_to_tracks(arrows: MotionArrows, *, frames: int) -> dict[str, torch.Tensor]:
    """ComfyUI TRACKS: {"track_path": float32 [T, N, 2] px, "track_visibility": bool [T, N]}, T = frames.

    A track is invisible where it has left the image. No arrows give one track that is never visible, for N is never 0.
    """
    positions = _positions(arrows, frames)
    inside = ((positions >= 0) & (positions <= (arrows.width, arrows.height))).all(axis=-1)
    if not arrows.arrows:
        positions, inside = np.zeros((frames, 1, 2)), np.zeros((frames, 1), dtype=bool)
    return {"track_path": torch.from_numpy(positions).float(), "track_visibility": torch.from_numpy(inside)}


def arrows_from_tracks(tracks: dict, *, width: int, height: int) -> MotionArrows:
    """Arrows on a width x height px image from ComfyUI TRACKS (see `arrows_to_tracks`), 2 or more frames.

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
    if visible.shape != path.shape[:2]:
        raise ValueError(f"tracks: track_visibility is {list(visible.shape)}, allowed {list(path.shape[:2])}")
    return path, visible


def _positions(arrows: MotionArrows, frames: int) -> np.ndarray:
    """[T, N, 2] px: where each arrow's tail is at each frame, moving at a constant speed."""
    if frames < 2:
        raise ValueError(f"frames: got {frames}, allowed 2 or more")
    positions = np.zeros((frames, len(arrows.arrows), 2))
    for i, arrow in enumerate(arrows.arrows):
        path = path_px(arrow.points, width=arrows.width, height=arrows.height)
        positions[:, i] = along_path(path, np.linspace(0, path_length(path) * arrow.strength, frames))[0]
    return positions


def _travelled(arrow: Arrow, width: int, height: int) -> np.ndarray:
    """The arrow's points [n, 2] px, its end moved along the path to where the strength leads."""
    path = path_px(arrow.points, width=width, height=height)
    if arrow.strength == 1 or len(path) == 1:
        return path
    reached = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    distance = reached[-1] * arrow.strength
    inner = path[1:-1][reached[1:-1] < distance]
    return np.concatenate([path[:1], inner, along_path(path, np.array([distance]))[0]])
