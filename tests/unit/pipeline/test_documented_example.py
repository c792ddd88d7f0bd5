"""The example in docs/architecture.md runs as it stands there."""

import subprocess
import sys
from pathlib import Path

import av
import numpy as np
from PIL import Image

PAGE = Path(__file__).absolute().parents[3] / "docs" / "architecture.md"


def test_it_writes_the_video_that_it_promises(comfy_base, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    Image.fromarray(pixels).save(tmp_path / "picture.png")
    (example,) = PAGE.read_text(encoding="utf-8").split("```python\n")[1:]
    subprocess.run([sys.executable, "-c", example.split("```")[0]], cwd=tmp_path, check=True)
    with av.open(str(tmp_path / "animation.mp4")) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert [frame.shape for frame in frames] == [(64, 64, 3)] * 40
    assert np.abs(frames[0].astype(float) - pixels).mean() < 40
    assert np.abs(frames[20].astype(float) - frames[0]).max() > 10, "something moves"
