"""Reading and writing of the videos that `prepare` works on."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .clip_filters import MAX_FRAMES

MAX_FPS = 30
BLOCK = 2 * MAX_FRAMES  # frames in memory at once


@dataclass(frozen=True)
class Target:
    """Where clips go and how they are written."""

    out: Path
    size: int  # px, of a clip's side
    crf: int  # H.264 quality


def read_animation(picture) -> tuple[list[np.ndarray], float]:
    """RGB frames and frames per second of an animated picture."""
    frames, durations = [], []
    for index in range(picture.n_frames):
        picture.seek(index)
        frames.append(np.asarray(picture.convert("RGB")))
        durations.append(picture.info.get("duration") or 66)
    return frames, 1000.0 / float(np.median(durations))


def thinning(fps: float, most: float = MAX_FPS) -> int:
    """Of how many frames one is taken, for a film to have at most so many a second.

    30.003 are 30, and so are the 30.3 of an animation, whose frames last whole milliseconds.
    """
    return max(1, math.ceil(fps / most - 0.1))


def read_video(path: Path, least: int, *, max_fps: float = MAX_FPS) -> Iterator[tuple[list[np.ndarray], float]]:
    """Blocks of RGB frames with their rate, at most max_fps: of a faster film every second, third … frame.

    Upright, as players show them. The short side is at most 512 px, or `least` where that is more. Where the frames'
    size changes, a new block begins. ValueError for a file without a video, av.FFmpegError for a damaged one.
    """
    import av

    with av.open(str(path)) as container:
        if not container.streams.video:
            raise ValueError(f"{path}: no video in it")
        rate = float(container.streams.video[0].average_rate or 24)
        every = thinning(rate, max_fps)
        frames: list[np.ndarray] = []
        for index, frame in enumerate(container.decode(video=0)):
            if index % every:
                continue
            scale = min(1.0, max(512, least) / min(frame.width, frame.height))
            size = {"width": round(frame.width * scale), "height": round(frame.height * scale)}
            picture = np.rot90(frame.to_ndarray(format="rgb24", **size), frame.rotation // 90)
            if len(frames) == BLOCK or (frames and frames[0].shape != picture.shape):
                yield frames, rate / every
                frames = []
            frames.append(picture)
        yield frames, rate / every


def write_clip(path: Path, frames: list[np.ndarray], fps: float, crf: int) -> None:
    """H.264, yuv420p, even frame sizes."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=max(1, round(fps)), options={"crf": str(crf), "preset": "medium"})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
        container.mux(stream.encode())
