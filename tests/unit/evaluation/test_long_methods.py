"""The tables' machinery on the tiny model: every method's price and joins, arrows, and pictures in batches."""

import math
from argparse import Namespace

import numpy as np
import pytest
import torch
from PIL import Image
from tiny import FRAMES

SETTINGS = {"frames": FRAMES, "total_frames": 13, "steps": 4, "seed": 0, "cfg_max": 1.0, "gamma": 0.5, "joins": "loop"}


@pytest.fixture(scope="module")
def methods(comfy_base):
    from driftfield.evaluation import long_methods

    return long_methods


@pytest.fixture(scope="module")
def models(comfy_base, loaders, tiny_folder, tiny_adapters):
    from driftfield.evaluation.animations import Models

    return Models(loaders.animator.load_animator("tiny", tiny_adapters["warped"], "auto"), None)


@pytest.fixture(scope="module")
def case(methods):
    clip = torch.rand(8, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    flow = torch.zeros(1, 2, 64, 64)
    flow[:, 0] = 2.0
    return methods.Case(clip[:1], flow, clip=clip)


def test_every_method_is_measured_at_its_price(methods, models, case, tmp_path, capsys):
    from driftfield.evaluation import learned

    arguments = Namespace(**SETTINGS)
    networks = learned.Learned(None, None, None, torch.device("cpu"))
    labels = methods.ALL_METHODS
    wanted = {f"clip, {label}" for label in labels}
    rows = dict(zip(labels, methods.measured(models, networks, {"clip": case}, labels, wanted, arguments), strict=True))
    assert {label: row["passes"] for label, row in rows.items()} == {
        "Direct": 12,
        "Gen-L-Video": 16,
        "FreeNoise": 16,
        "ours, restart": 4 + 1 + 2 * 2,
        "ours, offset windows": 4 + 1 + 2 + 2,
        "ours, crossfade": 4 + 1 + 3 + 2,
        "ours, loop": 4 + 1 + 3 + 2,
        "ours, ping-pong": 4 + 1 + 2 + 2,
    }
    for label, row in rows.items():
        assert row["lpips"] is None and row["psnr"] > 0 and -1 <= row["cosine"] <= 1 and row["seconds"] > 0
        if label == "ours, ping-pong":  # so short a segment is too short to slow down: no frames of a turn
            assert math.isnan(row["jump"])
        else:
            assert row["jump"] > 0 and row["largest"] >= row["jump"]

    told = {**SETTINGS, "model": "tiny", "out": tmp_path, "words": []}
    methods.write(Namespace(**told, name="table2"), {k: [row] for k, row in rows.items()}, {"a": case}, "clips", ["!"])
    page = (tmp_path / "table2.md").read_text(encoding="utf-8")
    assert "| Direct | missing |" in page and "time ÷ Direct" in page and "- !" in page and "seconds" not in page
    over_gamma = {"0": [rows["ours, loop"]], "1": [rows["ours, restart"]]}
    methods.write(Namespace(**told, name="gamma"), over_gamma, {"a": case}, "stills", [])
    assert "time ÷ γ = 0" in (tmp_path / "gamma_stills.csv").read_text(encoding="utf-8")


def test_joins_are_where_passes_meet(methods, models, case):
    arguments = Namespace(**SETTINGS)
    animation, _ = methods.sampled(models, case, arguments)
    made = {
        label: methods.lengthened(animation, 1.0, label, arguments)
        for label in ("ours, restart", "Direct", "ours, crossfade", "ours, ping-pong", "0.5")
    }
    assert all(made[label].joins.nonzero().flatten().tolist() == [4, 9] for label in ("ours, restart", "Direct"))
    crossfaded = made["ours, crossfade"]
    assert crossfaded.joins[:3].tolist() == [False, False, False] and crossfaded.joins.sum() > 2
    assert crossfaded.facts["seconds"] > 1, "the first segment's, too"
    assert made["0.5"].facts["passes"] == 10 and len(made["0.5"].joins) == 12
    assert made["ours, ping-pong"].pace.tolist() == [1] * 4 + [-1] * 4 + [1] * 4 and (crossfaded.pace == 1).all()


def test_arrows_on_a_still_are_asked_for_by_their_own_cosine(methods):
    from driftfield.flow_tools.arrows import Arrow, MotionArrows

    arrows = MotionArrows((Arrow("a", ((0.2, 0.5), (0.6, 0.5))),), 64, 64)
    motion = torch.zeros(12, 2, 64, 64)
    motion[:, 1, :40] = 1.0
    assert methods.cosine_under_arrows(motion, arrows, FRAMES) == pytest.approx(0)
    motion[:, 0] = 1.0
    assert methods.cosine_under_arrows(motion, arrows, FRAMES) == pytest.approx(0.5**0.5, abs=1e-3)


def test_pictures_in_batches(comfy_base, tiny_folder, tiny_adapters, tmp_path, capsys, monkeypatch):
    import av

    from driftfield.evaluation import batch

    monkeypatch.setattr(batch.host, "enter", lambda: None)
    pixels = np.random.default_rng(0).integers(0, 256, (40, 90, 3), np.uint8)
    for name in ("a", "b", "c"):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    (tmp_path / "a.json").write_text('[[{"x": 10, "y": 10}, {"x": 30, "y": 10}]]', encoding="utf-8")
    (tmp_path / "c.png").write_bytes(b"no picture")
    words = [str(tmp_path), "--model", "tiny", "--adapter", tiny_adapters["warped"], "--size", "64", "48"]
    words += ["--total-frames", "8", "--steps", "2", "--gamma", "0.5"]
    words += ["--crf", "0"]  # x264 itself, given equal frames, now and then loses other things of them

    def videos(folder, *processes):
        for rank, count in processes:
            monkeypatch.setenv("RANK", str(rank))
            monkeypatch.setenv("WORLD_SIZE", str(count))
            batch.main([*words, "--out", str(folder)])
        return {file.name: read(file) for file in sorted(folder.iterdir())}

    def read(file):
        with av.open(str(file)) as container:
            return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]).astype(float)

    one = videos(tmp_path / "one", (0, 1))
    assert list(one) == ["a.mp4", "b.mp4"] and np.abs(one["a.mp4"] - one["b.mp4"]).mean() > 2
    assert "c.png" in capsys.readouterr().err, "one that cannot be read does not stop the others"
    assert one["a.mp4"].shape == (8, 48, 64, 3)
    two = videos(tmp_path / "two", (0, 2), (1, 2))
    assert list(two) == list(one)
    assert all(np.abs(two[name] - one[name]).mean() < 0.5 for name in one), "but for rounding"
    written = (tmp_path / "one" / "a.mp4").stat().st_mtime_ns
    videos(tmp_path / "one", (0, 1))
    assert (tmp_path / "one" / "a.mp4").stat().st_mtime_ns == written, "what is there is left alone"


def test_motion_between_joins_is_measured_without_them(methods):
    from driftfield.evaluation import learned
    from driftfield.flow_tools.warp import reference_video

    picture = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
    picture = torch.nn.functional.interpolate(picture, size=(64, 64), mode="bicubic")
    flow = torch.tensor([1.0, 0.0]).view(1, 2, 1, 1).expand(1, 2, 64, 64)
    video = reference_video(picture, flow, 8).repeat(2, 1, 1, 1)  # at frame 8 it jumps back
    joins, pace = torch.arange(15) == 7, torch.ones(15)
    networks = learned.Learned(None, None, None, torch.device("cpu"))

    def figures(video, pace):
        made = methods.Lengthened(video, joins, pace, {})
        return methods.figures(networks, methods.Case(picture, flow), video, made, 8)

    row = figures(video, pace)
    assert row["between"] < 0.2 < 0.5 < row["error"] and math.isnan(row["sharpness"])
    back = figures(torch.cat([video[:8], video[:8].flip(0)]), torch.where(torch.arange(15) < 7, pace, -pace))
    assert back["between"] < 0.2 and back["cosine"] > 0.9, "where it is to run back, the opposite is asked for"


def test_devices_are_timed_side_by_side(comfy_base, tmp_path, monkeypatch, capsys):
    from driftfield.evaluation import devices, devices_timing

    monkeypatch.setattr(devices_timing.memory, "devices", lambda count: [torch.device("cpu")] * count)
    words = ["--size", "toy", "--devices", "1", "2", "--total-frames", "13", "--joins", "restart"]
    devices_timing.run(devices.parse([*words, "--out", str(tmp_path)]))
    lines = (tmp_path / "devices.csv").read_text(encoding="utf-8").splitlines()
    assert [line.split('",')[0] for line in lines[2:]] == ['"restart, 13, 1', '"restart, 13, 2']
    assert float(lines[3].split(",")[-1]) < 1e-5
    assert "restart, 13, 1: 1; restart, 13, 2: " in (tmp_path / "devices.md").read_text(encoding="utf-8")
    assert devices_timing.most_times_faster([4, 4], 2) == 2 and devices_timing.most_times_faster([9], 2) == 1.8
