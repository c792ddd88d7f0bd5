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
    written = (output / "video" / "test_00001_.mp4").read_bytes()
    assert 0 < written.index(b"workflow") < written.index(b"mdat")  # ComfyUI's front end looks at a file's beginning
    node.execute(animation, "video/test", 12.5, 18, 8)
    assert read(output / "video" / "test_00002_.mp4")[1] == 12.5


@pytest.mark.parametrize("crf", [0, 18, 51])
def test_it_plays_everywhere_at_every_crf(node, output, animation, crf):
    node.execute(animation, f"crf{crf}", 0.0, crf, 8)
    with av.open(str(output / f"crf{crf}_00001_.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert (context.profile, context.pix_fmt) == ("High", "yuv420p")


def test_lossless_keeps_every_decoded_pixel(node, output, animation):
    from driftfield.nodes.extend import DecodeAnimation

    images = DecodeAnimation.execute(animation, 8).result[0]
    node.execute(animation, "exact", 0.0, 18, 8, encoding="lossless")
    frames = read(output / "exact_00001_.mp4")[0][:, :, :63]
    assert torch.equal((frames * 255).round(), (images * 255).round())
    with pytest.raises(ValueError, match="encoding: got 'gif'"):
        node.execute(animation, "exact", 0.0, 18, 8, encoding="gif")


def test_the_name_is_filled_in_as_save_image_does(comfy_base):
    from datetime import datetime

    from driftfield.pipeline.file_names import fill_in

    now = datetime(2026, 3, 7, 5, 9, 4)
    prompt = {
        "1": {"class_type": "KSampler", "inputs": {"seed": 5, "name": "a/b:c", "model": ["2", 0]}},
        "2": {"class_type": "Any", "_meta": {"title": "My node"}, "inputs": {"text": "hello"}},
    }
    wanted = {
        "a/%date:yyyy-MM-dd%/b": "a/2026-03-07/b",
        "%date:yy.M.d h-m-s%": "26.3.7 5-9-4",
        "%date:hhmmss%": "050904",
        "%date%": "20260307050904",
        "%KSampler.seed%_%My node.text%": "5_hello",
        "%KSampler.name%": "a_b_c",
        "%year%": "%year%",  # ComfyUI's
    }
    assert {prefix: fill_in(prefix, prompt, now) for prefix in wanted} == wanted
    for prefix, said in [
        ("%Nobody.text%", "no node"),
        ("%KSampler.cfg%", "no widget"),
        ("%KSampler.model%", "no widget"),
    ]:
        with pytest.raises(ValueError, match=said):
            fill_in(prefix, prompt, now)


BAD_NAMES = [
    "a" * 201,
    "é" * 101,
    "a\0b",
    "a/../../b",
    "/etc/x",
    "..\\x",
    "what?",
    "a:b",
    "con",
    "x/nul.txt",
    "con .txt",
    "CONIN$",
    "x/conout$.a",
    "Com0",
    "LPT0.x",
    "COM¹",
    "lpt³ .txt",
    "x./b",
    "x /b",
    "a/",
    "%date:hh:mm%",
    "",
]


@pytest.mark.parametrize("prefix", BAD_NAMES)
def test_names_that_not_every_system_takes_are_refused_before_anything_runs(node, output, animation, prefix):
    with pytest.raises(ValueError, match="filename_prefix"):
        node.execute(animation, prefix, 0.0, 18, 8)
    if prefix:
        assert "filename_prefix" in node.validate_inputs(filename_prefix=prefix)
    assert not list(output.rglob("*"))


def test_common_names_are_fine(node):
    names = ("video/driftfield", "%date:yyyy-MM-dd hh-mm%/x", "%KSampler.seed%", "日本/猫", "a.b", "./x", None)
    for prefix in (*names, "console", "com", "com10", "con$", "lpt²x", "a con.txt"):
        assert node.validate_inputs(filename_prefix=prefix) is True


def test_a_long_video_is_never_whole_in_memory(node, output, animation, pipeline, monkeypatch):
    from dataclasses import replace

    alive, most = weakref.WeakSet(), []

    def decoded(animator, latents, segment_frames, **options):
        for part in latents.split(segment_frames):
            frames = torch.zeros(len(part), 3, 64, 64)
            alive.add(frames.untyped_storage())
            most.append(len(alive))
            yield frames

    monkeypatch.setattr(pipeline.frames, "decoded", decoded)
    node.execute(replace(animation, latents=animation.latents.repeat(20, 1, 1, 1)), "long", 0.0, 30, 8)
    assert len(most) == 40 and max(most) <= 2
    assert len(read(output / "long_00001_.mp4")[0]) == 200


def test_progress_counts_frames(animation, pipeline):
    seen = []
    parts = pipeline.decode.decoded(
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

    vae = loaders.memory.unwrap(animation.animator.vae)
    decode, calls = vae.decode, []

    def pressed(*args, **options):
        calls.append(1)
        if len(calls) == 2:
            model_management.interrupt_current_processing()
        return decode(*args, **options)

    monkeypatch.setattr(vae, "decode", pressed)
    with pytest.raises(model_management.InterruptProcessingException):
        node.execute(animation, "stopped", 0.0, 18, 8)
    assert len(calls) == 2 and not list(output.rglob("*.*"))


def test_names_that_leave_the_output_folder_are_refused(node, output, animation):
    with pytest.raises(Exception, match="outside the output folder"):
        node.execute(animation, "../elsewhere", 0.0, 18, 8)
