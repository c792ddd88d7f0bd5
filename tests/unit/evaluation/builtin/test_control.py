"""The control benchmark: known motion, animations that are the nodes' own, the built-in model."""

import itertools
import json
from argparse import Namespace
from dataclasses import asdict
from pathlib import Path

import cv2
import pytest
import torch

from driftfield.evaluation.metrics.arrow_obedience import control_figures
from driftfield.flow_tools.arrows import Arrow, MotionArrows
from driftfield.flow_tools.estimate import estimate_flow
from driftfield.flow_tools.warp import backward_warp

ROOT = Path(__file__).absolute().parents[4]
SIZE = 128


@pytest.fixture(scope="module")
def control(comfy_base):
    from driftfield.evaluation.builtin import control

    return control


@pytest.fixture(scope="module")
def shots(comfy_base):
    from driftfield.evaluation import shots

    return shots


@pytest.fixture(scope="module")
def photo():
    pixels = cv2.cvtColor(cv2.imread(str(ROOT / "workflows" / "example_input.jpg")), cv2.COLOR_BGR2RGB)
    pixels = cv2.resize(pixels, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 127.5 - 1


def test_a_shifted_texture_obeys(photo):
    frames, step = 6, torch.tensor([1.5, -1.0])
    shifts = -torch.arange(frames).view(-1, 1, 1, 1) * step.view(1, 2, 1, 1)
    video = backward_warp(photo, shifts.expand(-1, -1, SIZE, SIZE))
    head = (0.5 + 1.5 * (frames - 1) / SIZE, 0.5 - 1.0 * (frames - 1) / SIZE)
    arrows = MotionArrows((Arrow("a1", ((0.5, 0.5), head)),), SIZE, SIZE)
    flow = step.view(1, 2, 1, 1).expand(1, 2, SIZE, SIZE).clone()
    flow[..., : SIZE // 4, :] = 0
    outside = flow[0, 0] == 0
    figures = control_figures(estimate_flow(video), arrows, outside, frames=frames)
    assert figures["cosine"] > 0.999 and figures["error"] < 0.05 and figures["pin_px"] is None
    assert figures["mean_px"] == pytest.approx(float(step.norm()), rel=0.2)  # the texture is dragged at the border
    exact = control_figures(flow, arrows, outside, frames=frames)
    assert exact["cosine"] == pytest.approx(1) and exact["error"] == pytest.approx(0, abs=1e-6)
    assert exact["outside_px"] == 0


def test_trembling_is_motion_but_no_drift():
    flow = torch.tensor([0.5, -0.5]).view(2, 1, 1, 1) * torch.ones(2, 2, 16, 16)
    figures = control_figures(flow, MotionArrows((), 16, 16), torch.ones(16, 16) > 0, frames=3)
    assert figures["mean_px"] == figures["outside_px"] == pytest.approx(0.5 * 2**0.5)
    assert figures["drift_px"] == 0 and figures["cosine"] is None and figures["error"] is None


@pytest.mark.parametrize("drawn, opposite, turned", [(0.9, 0.8, 1), (0.9, -0.8, 0), (-0.9, 0.8, 0)])
def test_turned_round_means_both_ways(control, drawn, opposite, turned):
    def row(cosine):
        level = {"cosine": cosine, "error": 0.2, "outside_px": 0.3, "mean_px": 0.1, "drift_px": 0.0}
        return {"model": level, "ceiling": level, "flow": level, "change": 1.0, "colour": 0.5, "ceiling colour": 0.4}

    rows = {"x, one": row(drawn), "x, negated one": row(opposite), "x, no arrows": row(None)}
    figures = control.summary(rows)
    assert figures["turned"] == turned and figures["negated cosine"] == pytest.approx(-opposite)
    assert figures["cosine"] == pytest.approx(drawn) and figures["still change"] == 1
    assert figures["outside px"] == pytest.approx(0.3) and len(control.bars(figures)) == 7


def test_animations_are_the_nodes_own(shots, loaders, tiny_folder, tiny_adapters, monkeypatch):
    from driftfield.nodes import animate, arrows, extend, flow
    from driftfield.nodes import loaders as nodes
    from driftfield.pipeline import animate_still
    from driftfield.pipeline.settings import Settings

    image = torch.rand(1, 64, 80, 3, generator=torch.Generator().manual_seed(0))
    drawn = MotionArrows((Arrow("a1", ((0.4, 0.5), (0.7, 0.4))), Arrow("p", ((0.9, 0.9),))), 80, 64)
    names = ("tiny", tiny_adapters["warped"])

    (animator,) = nodes.LoadAnimationModel.execute(*names, "auto").result
    (refiner,) = nodes.LoadFlowRefiner.execute("built-in").result
    text = json.dumps({"version": 1, "ref": [80, 64], "arrows": [asdict(arrow) for arrow in drawn.arrows]})
    parsed = arrows.DrawMotionArrows.execute(image, text).result[0]
    sparse, hints = arrows.ArrowsToSparseFlow.execute(parsed, 0, 0, 4).result
    (dense,) = flow.DensifyFlow.execute(sparse, hints, 0.0, 0.05, "faded").result
    (refined,) = flow.RefineFlow.execute(refiner, dense, image, sparse, hints).result
    (motion,) = animate.EncodeMotion.execute(animator, refined, 1.0).result
    animation, _ = animate.AnimateImage.execute(
        animator, image, 5, 3, 1.0, 1.0, 0, "auto", 100.0, 4, 0.02, False, guidance=motion
    ).result
    expected, _ = extend.DecodeAnimation.execute(animation, 8).result

    models = shots.load_models(*names)
    picture = image.permute(0, 3, 1, 2) * 2 - 1
    given = []

    def recorded(refiner, field, image, **more):
        assert more["region"] is None
        given.extend((field, image, *more["hints"]))
        return refine(refiner, field, image, **more)

    refine = animate_still.refine
    monkeypatch.setattr(animate_still, "refine", recorded)
    asked = shots.flow_of(models, picture, drawn, frames=4)
    field, *exact = given
    for got, wanted in zip(exact, (flow.image_to_tensor(image), sparse.field, hints[None]), strict=True):
        assert torch.equal(got, wanted)
    # OpenCV's distances and the refiner's convolutions round otherwise where their operands lie otherwise in memory. A
    # unit in the last place of a distance D is up to 2 (D / sigma)^2 = 2 ln(1 / threshold) = 6 of them in its weight; 8
    # are allowed, and 1e-6 px near zero.
    rounding = {"atol": 1e-6, "rtol": 8 * torch.finfo().eps}
    torch.testing.assert_close(field, dense.field, **rounding)
    torch.testing.assert_close(asked, refined.field, **rounding)
    settings = Settings(frames=4, steps=3, seed=5)
    made = shots.planned(models.animator, shots.Shot(picture, asked), settings)
    (video,) = shots.animate_together(models.animator, [made])
    torch.testing.assert_close((video.permute(0, 2, 3, 1) + 1) / 2, expected, atol=1e-5, rtol=0)


def test_a_batch_is_its_shots_one_by_one(shots, loaders, tiny_folder, tiny_adapters, monkeypatch):
    models = shots.load_models("tiny", tiny_adapters["warped"])
    generator = torch.Generator().manual_seed(1)
    named = {
        name: shots.Shot(torch.rand(1, 3, 64, 64, generator=generator) * 2 - 1, flow.expand(3, 2, 64, 64))
        for name, flow in (("a", torch.tensor([1.0, 0.5]).view(1, 2, 1, 1)), ("b", torch.zeros(1, 2, 1, 1)))
    }
    named["b's picture, a's flow"] = shots.Shot(named["b"].image, named["a"].flow)
    arguments = Namespace(frames=4, steps=2, seed=3)
    alone = list(shots.measured(models, named, lambda name, video: video, arguments))
    monkeypatch.setattr(shots.memory, "fitting", lambda count, bytes_each: count)
    together = list(shots.measured(models, named, lambda name, video: video, arguments))
    torch.testing.assert_close(together, alone, atol=1e-3, rtol=0)
    assert not any(torch.allclose(*pair) for pair in itertools.combinations(together, 2))


def test_the_command(shots, monkeypatch, tmp_path, capsys):
    """As a user calls it: figures and sheet, bars printed, and a second run computes nothing."""
    from driftfield.evaluation import commands
    from driftfield.evaluation.builtin import control

    texture = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(2)) * 2 - 1
    still = texture.repeat_interleave(8, 2).repeat_interleave(8, 3)
    calls = []

    def standing_still(animator, named):
        calls.extend(named)
        return [shot.image.expand(5, -1, -1, -1) for shot in named]

    (tmp_path / "index.json").touch()
    monkeypatch.setattr(shots, "planned", lambda animator, shot, settings: shot)
    monkeypatch.setattr(shots, "animate_together", standing_still)
    monkeypatch.setattr(control, "held_out_stills", lambda arguments, size: [("x", still)])
    words = [
        "builtin",
        "control",
        "--data",
        str(tmp_path),
        "--out",
        str(tmp_path / "out"),
        "--frames",
        "5",
        "--steps",
        "1",
    ]
    assert commands.main(words) == 0 and len(calls) == 7
    said = capsys.readouterr().out
    assert "FAIL  control: mean cosine" in said and "pass  control: motion without arrows" in said
    content = json.loads((tmp_path / "out" / "control.json").read_text(encoding="utf-8"))
    assert len(content["rows"]) == 7 and (tmp_path / "out" / "control.png").is_file()
    assert commands.main([*words, "--check"]) == 1 and len(calls) == 7
    assert commands.main([*words, "--seed", "1"]) == 2
    assert "choose another --out" in capsys.readouterr().err


def test_the_built_in_model_follows_an_arrow_and_its_negative(shots, photo):
    """Directions only, in seconds: the figures are the command's."""
    from driftfield.evaluation.inputs.arrow_sets import negated

    models = shots.load_models()
    arrow = MotionArrows((Arrow("a1", ((0.35, 0.3), (0.53, 0.3))),), SIZE, SIZE)
    for arrows in (arrow, negated(arrow)):
        flow = shots.flow_of(models, photo, arrows, frames=8)
        shot = {"arrow": shots.Shot(photo, flow)}
        arguments = Namespace(frames=8, steps=4, seed=0)
        (video,) = shots.measured(models, shot, lambda name, video: video, arguments)
        figures = control_figures(estimate_flow(video), arrows, flow[0, 0] == 0, frames=8)
        assert figures["cosine"] > 0.5, arrows
