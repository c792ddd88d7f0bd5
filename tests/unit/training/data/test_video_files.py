"""Videos as they are shown, animations with their rate."""

import cv2
import numpy as np
from PIL import Image

from driftfield.training.data.video_files import read_animation, read_video


def test_a_film_that_is_shown_turned_is_read_as_it_is_shown(tmp_path):
    import av

    upright = np.zeros((96, 64, 3), np.uint8)
    upright[:48] = (200, 30, 30)  # red above
    with av.open(str(tmp_path / "phone.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.set_display_rotation(-90)
        for _ in range(3):
            lying = np.ascontiguousarray(np.rot90(upright, 1))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(lying, format="rgb24")))
        container.mux(stream.encode())
    ((frames, _),) = read_video(tmp_path / "phone.mp4", 64)
    capture = cv2.VideoCapture(str(tmp_path / "phone.mp4"))
    shown = cv2.cvtColor(capture.read()[1], cv2.COLOR_BGR2RGB)
    assert frames[0].shape == shown.shape == upright.shape
    assert np.abs(frames[0].astype(int) - upright).mean() < 8 and np.abs(shown.astype(int) - upright).mean() < 8


def test_animations_are_read_with_their_rate(texture, tmp_path, moving):
    frames = [Image.fromarray(frame) for frame in moving(texture, 4, size=64)]
    frames[0].save(tmp_path / "a.webp", save_all=True, append_images=frames[1:], duration=50, quality=90)
    read, fps = read_animation(Image.open(tmp_path / "a.webp"))
    assert len(read) == 4 and fps == 20 and read[0].shape == (64, 64, 3)
