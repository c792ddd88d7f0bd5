"""Which parts of a video are worth training on: cut detection, stillness, composites, bars, badges, duplicates.

Frames are uint8 RGB [H, W, 3]; motion is measured with OpenCV's DIS flow on 128-px grey frames and given in px/frame
of the 256-px frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

MIN_FRAMES = 25
MAX_FRAMES = 120
MOTION_SIZE = 128  # px, of the frames that motion is measured on
BORDER = 0.1  # of the frame on each side: where only the camera moves most of the picture
BITS = np.array([number.bit_count() for number in range(2**16)], np.uint8)


@dataclass(frozen=True)
class Steps:
    """One value for each of the L-1 frame steps; grey levels 0..255 and px/frame at 256 px."""

    difference: np.ndarray  # mean |I_k - I_k+1|
    residual: np.ndarray  # the same after motion compensation
    motion: np.ndarray  # mean |F|
    border: np.ndarray  # median |F| over the outer tenth of the frame

    def __getitem__(self, part: slice) -> Steps:
        return Steps(self.difference[part], self.residual[part], self.motion[part], self.border[part])


def border_motion(flow: np.ndarray) -> float:
    """Median speed of a flow [2, H, W] over the frame's border, in px/frame of the 256-px frame.

    The median leaves out what crosses the border, as long as it covers less than half of it.
    """
    height, width = flow.shape[-2:]
    rows, columns = int(BORDER * height), int(BORDER * width)
    speed = np.hypot(*flow)
    edge = np.ones((height, width), bool)
    edge[rows:-rows, columns:-columns] = False
    return float(np.median(speed[edge])) * 256 / max(height, width)


def static_camera(border: np.ndarray) -> bool:
    """Whether the border motion of a clip's steps is that of a camera at rest."""
    return bool(np.median(border) < 0.25 and np.quantile(border, 0.8) < 0.4)


def grey(frame: np.ndarray, size: int) -> np.ndarray:
    return cv2.resize(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), (size, size), interpolation=cv2.INTER_AREA)


def measure_steps(frames: list[np.ndarray]) -> Steps:
    """Frame differences and DIS flow of every step of a clip."""
    estimator = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    y, x = np.mgrid[:MOTION_SIZE, :MOTION_SIZE].astype(np.float32)
    small = [grey(frame, MOTION_SIZE) for frame in frames]
    rows = []
    for first, second in zip(small, small[1:], strict=False):
        flow = estimator.calc(first, second, None)
        seen = x + flow[..., 0], y + flow[..., 1]
        warped = cv2.remap(second, *seen, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        speed = np.hypot(flow[..., 0], flow[..., 1]) * (256 / MOTION_SIZE)
        rows.append(
            (
                cv2.absdiff(first, second).mean(),
                cv2.absdiff(first, warped).mean(),
                speed.mean(),
                border_motion(flow.transpose(2, 0, 1)),
            )
        )
    return Steps(*np.array(rows, np.float64).reshape(-1, 4).T)


def segments(steps: Steps) -> list[slice]:
    """Parts of a clip without cuts, MIN_FRAMES to MAX_FRAMES long; each slice counts frames.

    A cut is a step that motion cannot explain: a compensated residual far above the clip's own median.
    """
    level = max(1.0, float(np.median(steps.residual)))
    cuts = np.flatnonzero((steps.residual > 6) & (steps.residual > 4 * level)) + 1
    ends = [0, *cuts.tolist(), len(steps.residual) + 1]
    found = []
    for start, stop in zip(ends, ends[1:], strict=False):
        for begin in range(start, stop, MAX_FRAMES):
            if min(stop, begin + MAX_FRAMES) - begin >= MIN_FRAMES:
                found.append(slice(begin, min(stop, begin + MAX_FRAMES)))
    return found


def rejection(frames: list[np.ndarray], steps: Steps) -> str | None:
    """Why a cut-free segment is unfit for training, or None."""
    if steps.motion.mean() < 0.06 or steps.difference.mean() < 0.5:
        return "still"
    if np.median(steps.difference) < 0.1:
        return "slide-show"
    if np.median(steps.residual) > 10 or steps.motion.mean() > 10:
        return "chaotic"
    if seam(frames) >= 0.97:
        return "composite"
    return None


def seam(frames: list[np.ndarray]) -> float:
    """Share (0..1) of a row or column that is one straight edge: 1 for split screens and insets across the frame."""
    scores = []
    for frame in frames[:: max(1, len(frames) // 10)]:
        plane = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.int16)
        edges = (np.abs(lines[:, 2:] - lines[:, :-2]) > 12 for lines in (plane, plane.T))
        scores.append(max(edge[:, 3:-3].mean(0).max() for edge in edges))
    return float(np.median(scores))


def content_box(frames: list[np.ndarray]) -> tuple[int, int, int, int]:
    """(top, bottom, left, right) of the picture without uniform bars and without a maker's badge at its top left."""
    sample = np.stack(frames[:: max(1, len(frames) // 8)]).astype(np.int16)
    height, width = sample.shape[1:3]
    levels = sample.mean(-1)
    busy_rows = np.flatnonzero(np.ptp(levels, axis=(0, 2)) > 12)
    busy_columns = np.flatnonzero(np.ptp(levels, axis=(0, 1)) > 12)
    if not len(busy_rows) or not len(busy_columns):
        return 0, height, 0, width
    top, bottom, left, right = busy_rows[0], busy_rows[-1] + 1, busy_columns[0], busy_columns[-1] + 1
    label = sample[:, int(0.07 * height) : int(0.14 * height), int(0.2 * width) : int(0.33 * width)].min(-1)
    white_always = (label.min(0) > 200).mean()
    if 0.03 < white_always < 0.5 and (label.max(0) > 235).mean() < 0.6:
        top = max(top, int(0.175 * height))
    return int(top), int(bottom), int(left), int(right)


def square(frames: list[np.ndarray], box: tuple[int, int, int, int], size: int) -> list[np.ndarray]:
    """The centre square of the box, resized by area averaging."""
    top, bottom, left, right = box
    side = min(bottom - top, right - left)
    top += (bottom - top - side) // 2
    left += (right - left - side) // 2
    cut = (np.ascontiguousarray(frame[top : top + side, left : left + side]) for frame in frames)
    shrink = cv2.INTER_AREA if side >= size else cv2.INTER_CUBIC
    return [cv2.resize(frame, (size, size), interpolation=shrink) for frame in cut]


def without_held_frames(frames: list[np.ndarray]) -> list[np.ndarray]:
    """Drop frames that only repeat the one before (a slower film in a faster file)."""
    small = [grey(frame, 64).astype(np.int16) for frame in frames]
    change = np.array([np.abs(a - b).mean() for a, b in zip(small, small[1:], strict=False)])
    if not change.any():
        return frames
    keep = np.flatnonzero(change > 0.02 * np.quantile(change, 0.9)) + 1
    return [frames[0], *(frames[k] for k in keep)]


def perceptual_hash(frame: np.ndarray) -> int:
    """64-bit DCT hash; similar pictures differ in few bits."""
    low = cv2.dct(grey(frame, 32).astype(np.float32))[:8, :8].ravel()
    return int("".join("1" if value > np.median(low[1:]) else "0" for value in low), 2)


def hash_distances(hashes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Bits between the most similar pair of hashes [k] and each row of others [n, k], both uint64: [n], 0..64."""
    different = (others[:, :, None] ^ hashes).view(np.uint16)
    return BITS[different].reshape(*others.shape, len(hashes), 4).sum(axis=-1, dtype=int).min(axis=(1, 2))
