"""Video files, written while their frames come."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import torch
import torch.nn.functional as F
from torch import Tensor

CRF = 18  # x264's constant rate factor: less is better, 23 its default
BETWEEN = 3  # B frames between two others: with so many the first frame stays within reach for 25 frames
MOST_REACH = 16  # earlier frames that H.264 lets one be predicted from
MOST_BLOCKS = 32_768  # of 16 × 16 px in these, at level 4.0, which phones decode
LEAST_CRF = 1  # at 0 x264 leaves the profile High, and few players follow
COMPATIBLE, LOSSLESS = "plays everywhere", "lossless"
ENCODINGS = [COMPATIBLE, LOSSLESS]


@contextmanager
def video_file(
    path: Path,
    *,
    fps: float,
    width: int,
    height: int,
    crf: int = CRF,
    encoding: str = COMPATIBLE,
    metadata: dict | None = None,
) -> Iterator[Callable[[Tensor], None]]:
    """write(frames [n, H, W, 3] 0..1) into an H.264 .mp4, which appears under its name only when it is whole.

    Where anything is raised inside, nothing is left of it. An odd width or height gets its last pixels once more.
    COMPATIBLE is the profile High with yuv420p; LOSSLESS keeps the 8-bit RGB values (High 4:4:4 Predictive).
    As many earlier frames as possible predict the next: where the last of up to 25 are like the first, they are taken
    from it, with its flaws, so that these do not jump where the video begins anew.
    """
    part = path.with_suffix(".part")
    try:
        # faststart: the metadata lie before the pictures. ComfyUI's front end reads the first 64 MB of a file alone.
        options = {"movflags": "use_metadata_tags+faststart"}
        with av.open(str(part), mode="w", format="mp4", options=options) as container:
            for key, value in (metadata or {}).items():
                container.metadata[key] = json.dumps(value)
            lossless = encoding == LOSSLESS
            codec = "libx264rgb" if lossless else "libx264"
            stream = container.add_stream(codec, rate=Fraction(round(fps * 1000), 1000))
            stream.width, stream.height = width + width % 2, height + height % 2
            stream.pix_fmt = "rgb24" if lossless else "yuv420p"
            blocks = -(-width // 16) * -(-height // 16)
            reach = {"refs": min(max(MOST_BLOCKS // blocks, 1), MOST_REACH), "bf": BETWEEN, "b_strategy": 0}
            seen = {"crf": max(crf, LEAST_CRF), "profile": "high", **reach}
            stream.options = {"qp": "0"} if lossless else {name: str(value) for name, value in seen.items()}

            def write(frames: Tensor) -> None:
                pixels = (frames * 255).round().clamp(0, 255)
                pixels = F.pad(pixels.movedim(-1, 1), (0, width % 2, 0, height % 2), mode="replicate")
                for picture in pixels.to(torch.uint8).movedim(1, -1).contiguous().numpy():
                    container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))

            yield write
            container.mux(stream.encode(None))
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
