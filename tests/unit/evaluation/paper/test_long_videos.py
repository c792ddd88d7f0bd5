"""Table 2 and figure 8 on the tiny model: every method's price and joins, and what is asked of it."""

import math
from argparse import Namespace

import pytest
import torch
from tiny import FRAMES

SETTINGS = {"frames": FRAMES, "total_frames": 13, "steps": 4, "seed": 0, "cfg_max": 1.0, "gamma": 0.5, "joins": "loop"}


@pytest.fixture(scope="module")
def methods(comfy_base):
    from driftfield.evaluation.paper import long_videos

    return long_videos


@pytest.fixture(scope="module")
def models(comfy_base, loaders, tiny_folder, tiny_adapters):
    from driftfield.evaluation.shots import Models

    return Models(loaders.animator.load_animator("tiny", tiny_adapters["warped"], "auto"), None)


@pytest.fixture(scope="module")
def case(methods):
    clip = torch.rand(8, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    flow = torch.zeros(1, 2, 64, 64)
    flow[:, 0] = 2.0
    return methods.Case(clip[:1], flow, clip=clip)


def test_every_method_is_measured_at_its_price(methods, models, case, tmp_path, capsys):
    from driftfield.evaluation.metrics import learned
    from driftfield.evaluation.paper import figure8, table2

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
        assert row["lpips"] is None and row["psnr"] > 0 and -1 <= row["cosine"] <= 1
        if label == "ours, ping-pong":  # so short a segment is too short to slow down: no frames of a turn
            assert math.isnan(row["jump"])
        else:
            assert row["jump"] > 0 and row["largest"] >= row["jump"]

    arguments = Namespace(**SETTINGS, model="tiny", out=tmp_path, words=[])
    times = dict.fromkeys(labels, 3.0) | {"ours, loop": 1.5}
    table2.write(arguments, methods.Measured({k: [row] for k, row in rows.items()}, times, 1, "clips", ["!"]))
    page = (tmp_path / "table2.md").read_text(encoding="utf-8")
    assert "| Direct | missing |" in page and "time ÷ Direct" in page and "- !" in page and "seconds" not in page
    over_gamma = {"0": [rows["ours, loop"]], "1": [rows["ours, restart"]]}
    figure8.write(arguments, methods.Measured(over_gamma, {"0": 2.0, "1": 0.5}, 1, "stills", []))
    assert "time ÷ γ = 0" in (tmp_path / "figure8_stills.csv").read_text(encoding="utf-8")
    assert page.split("| ours, loop |")[1].split(" |\n")[0].endswith("| 0.5")


def test_a_method_is_timed_with_the_first_segment_where_it_begins_with_it(methods, models, case, monkeypatch):
    done = []
    for name in ("sampled", "lengthened"):
        monkeypatch.setattr(methods, name, lambda *given, name=name: done.append(name))
    assert methods.seconds_of(models, case, "ours, loop", Namespace()) > 0
    assert done == ["sampled", *["sampled", "lengthened"] * (1 + methods.TIMED)]
    done.clear()
    assert methods.seconds_of(models, case, "FreeNoise", Namespace()) > 0
    assert done == ["sampled", *["lengthened"] * (1 + methods.TIMED)]


def test_joins_are_where_passes_meet(methods, models, case):
    arguments = Namespace(**SETTINGS)
    animation = methods.sampled(models, case, arguments)
    made = {
        label: methods.lengthened(animation, label, arguments)
        for label in ("ours, restart", "Direct", "ours, crossfade", "ours, ping-pong", "0.5")
    }
    assert all(made[label].joins.nonzero().flatten().tolist() == [4, 9] for label in ("ours, restart", "Direct"))
    crossfaded = made["ours, crossfade"]
    assert crossfaded.joins[:3].tolist() == [False, False, False] and crossfaded.joins.sum() > 2
    assert made["0.5"].passes == 10 and len(made["0.5"].joins) == 12
    assert made["ours, ping-pong"].pace.tolist() == [1] * 4 + [-1] * 4 + [1] * 4 and (crossfaded.pace == 1).all()


def test_arrows_on_a_still_are_asked_for_by_their_own_cosine():
    from driftfield.evaluation.metrics.arrow_obedience import cosine_under_arrows
    from driftfield.flow_tools.arrows import Arrow, MotionArrows

    arrows = MotionArrows((Arrow("a", ((0.2, 0.5), (0.6, 0.5))),), 64, 64)
    motion = torch.zeros(12, 2, 64, 64)
    motion[:, 1, :40] = 1.0
    assert cosine_under_arrows(motion, arrows, FRAMES) == pytest.approx(0)
    motion[:, 0] = 1.0
    assert cosine_under_arrows(motion, arrows, FRAMES) == pytest.approx(0.5**0.5, abs=1e-3)


def test_motion_between_joins_is_measured_without_them(methods):
    from driftfield.evaluation.metrics import learned
    from driftfield.flow_tools.warp import reference_video

    picture = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
    picture = torch.nn.functional.interpolate(picture, size=(64, 64), mode="bicubic")
    flow = torch.tensor([1.0, 0.0]).view(1, 2, 1, 1).expand(1, 2, 64, 64)
    video = reference_video(picture, flow, 8).repeat(2, 1, 1, 1)  # at frame 8 it jumps back
    joins, pace = torch.arange(15) == 7, torch.ones(15)
    networks = learned.Learned(None, None, None, torch.device("cpu"))

    def figures(video, pace):
        made = methods.Lengthened(video, joins, pace, 8)
        return methods.figures(networks, methods.Case(picture, flow), video, made, 8)

    row = figures(video, pace)
    assert row["between"] < 0.2 < 0.4 < row["error"] and math.isnan(row["sharpness"])
    back = figures(torch.cat([video[:8], video[:8].flip(0)]), torch.where(torch.arange(15) < 7, pace, -pace))
    assert back["between"] < 0.2 and back["cosine"] > 0.9, "where it is to run back, the opposite is asked for"
