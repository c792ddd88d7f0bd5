"""Save Animation: a file that plays, written while it is decoded, and nothing of it where it is stopped."""

import json
import weakref
from types import SimpleNamespace

import av
import numpy as np
import pytest
import torch
from tiny import FRAMES


@pytest.fixture(scope="module")
def node(comfy_base):
    from driftfield.nodes.save import SaveAnimation

    return SaveAnimation


@pytest.fixture
def output(node, tmp_path, monkeypatch):
    import folder_paths

    monkeypatch.setattr(folder_paths, "output_directory", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="module")
def animation(comfy_base, loaders, tiny_folder):
    """Two segments of a picture of 50 × 63 pixels."""
    from driftfield.nodes.animate import AnimateImage
    from driftfield.nodes.extend import ExtendAnimation

    animator = loaders.animator.load_animator("tiny", "none", "auto")
    image = torch.rand(1, 50, 63, 3, generator=torch.Generator().manual_seed(0))
    short = AnimateImage.execute(animator, image, 3, 2, 1.0, 1.0, 7, "auto", 100.0, 0, 0.02, False).result[0]
    return ExtendAnimation.execute(short, 2 * FRAMES, 1.0, 0.2, 0, joins="restart").result[0]


def read(file):
    with av.open(str(file)) as container:
        stream = container.streams.video[0]
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
        return (
            torch.from_numpy(np.stack(frames)).float() / 255,
            stream.average_rate,
            container.metadata,
        )


def test_the_file_holds_the_decoded_frames_and_the_workflow(node, output, animation, monkeypatch):
    from driftfield.nodes.extend import DecodeAnimation

    images = DecodeAnimation.execute(animation, 8).result[0]
    assert images.shape == (2 * FRAMES, 50, 63, 3)
    monkeypatch.setattr(node, "hidden", SimpleNamespace(prompt={"1": "p"}, extra_pnginfo={"workflow": {"nodes": []}}))
    result = node.execute(animation, "video/test", 0.0, 0, 8)
    assert result.ui.as_dict()["images"] == [{"filename": "test_00001_.mp4", "subfolder": "video", "type": "output"}]
    frames, rate, metadata = read(output / "video" / "test_00001_.mp4")
    assert frames.shape == (2 * FRAMES, 50, 64, 3) and rate == 7
    assert (frames[:, :, :63] - images).abs().mean() < 0.03  # chroma at half the size, of noise
    assert json.loads(metadata["prompt"]) == {"1": "p"} and json.loads(metadata["workflow"]) == {"nodes": []}
    node.execute(animation, "video/test", 12.5, 18, 8)
    assert read(output / "video" / "test_00002_.mp4")[1] == 12.5


def test_a_long_video_is_never_whole_in_memory(node, output, animation, loaders, monkeypatch):
    from dataclasses import replace

    from driftfield.model_loaders import video_file

    alive, most = weakref.WeakSet(), []

    def decode(animator, latents, **options):
        frames = torch.zeros(len(latents), 3, 64, 64)
        alive.add(frames.untyped_storage())
        most.append(len(alive))
        return frames

    monkeypatch.setattr(video_file, "decode", decode)
    node.execute(replace(animation, latents=animation.latents.repeat(20, 1, 1, 1)), "long", 0.0, 30, 8)
    assert len(most) == 40 and max(most) <= 2
    assert len(read(output / "long_00001_.mp4")[0]) == 200


def test_progress_counts_frames(animation, loaders):
    from driftfield.model_loaders.video_file import decoded

    seen = []
    parts = decoded(
        animation.animator,
        animation.latents,
        segment_frames=FRAMES,
        chunk_frames=3,
        on_step=lambda i, total: seen.append((i, total)),
    )
    assert [len(part) for part in parts] == [FRAMES, FRAMES]
    assert [i for i, _ in seen] == sorted({i for i, _ in seen}) and seen[-1] == (9, 10)


def test_cancel_leaves_no_file(node, output, animation, loaders, monkeypatch):
    from comfy import model_management

    from driftfield.model_loaders import video_file

    decode, calls = video_file.decode, []

    def pressed(*args, **options):
        calls.append(1)
        if len(calls) == 2:
            model_management.interrupt_current_processing()
        return decode(*args, **options)

    monkeypatch.setattr(video_file, "decode", pressed)
    with pytest.raises(model_management.InterruptProcessingException):
        node.execute(animation, "stopped", 0.0, 18, 8)
    assert len(calls) == 2 and not list(output.rglob("*.*"))


def test_names_that_leave_the_output_folder_are_refused(node, output, animation):
    with pytest.raises(Exception, match="outside the output folder"):
        node.execute(animation, "../elsewhere", 0.0, 18, 8)
