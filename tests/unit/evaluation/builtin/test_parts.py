"""The parts of the command `builtin` on models whose answers are known."""

import json
from argparse import Namespace
from dataclasses import dataclass, replace
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch

from driftfield.evaluation.objects.scenes import SIDE, STRAIGHT, Mover, Scene
from driftfield.evaluation.objects.things import Cutout
from driftfield.flow_tools.estimate import estimate_flow
from driftfield.flow_tools.warp import backward_warp
from driftfield.training.data.refiner_fields import static_field

SIZE, FRAMES = 64, 9


@dataclass(frozen=True)
class Named:
    name: str
    size: int = SIZE


@pytest.fixture
def parts(comfy_base, monkeypatch, tmp_path):
    """The parts without networks: run(part) gives its bars by name, and `video` makes an animation of a shot."""
    import importlib

    from driftfield.evaluation import shots

    names = ("autoencoder", "reconstruction", "ablations", "refiner", "strength_response", "camera")
    modules = {name: importlib.import_module(f"driftfield.evaluation.builtin.{name}") for name in names}
    for name in ("table1", "figure7"):  # what ablations and strength_response measure with
        modules[name] = importlib.import_module(f"driftfield.evaluation.paper.{name}")
    models = shots.Models(Named("plain"), SimpleNamespace())
    made = SimpleNamespace(modules=modules, shots={}, video=None, out=tmp_path)
    for module in modules.values():
        for name, value in (
            ("load_models", lambda: models),
            ("held_out_clips", lambda arguments, size: clips()),
            ("held_out_stills", lambda arguments, size: [(f"still {i}", texture(i)) for i in range(2)]),
            ("through_autoencoder", lambda animator, video: video),
        ):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, value)
    monkeypatch.setattr(shots, "batch_size", lambda *_: 1)
    monkeypatch.setattr(shots, "planned", lambda animator, shot, settings: (animator, shot))
    monkeypatch.setattr(shots, "animate_together", lambda animator, plans: [made.video(*plan) for plan in plans])

    def run(part: str) -> dict:
        (tmp_path / "index.json").write_text("{}", encoding="utf-8")
        options = {"data": tmp_path, "out": made.out, "frames": FRAMES, "steps": 1, "seed": 0, "clips": 2, "stills": 2}
        bars = modules[part].run(Namespace(**options))
        return {bar.what: bar for bar in bars}

    made.run = run
    made.monkeypatch = monkeypatch
    return made


def texture(seed: int) -> torch.Tensor:
    noise = torch.rand(1, 3, SIZE // 4, SIZE // 4, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return torch.nn.functional.interpolate(noise, size=(SIZE, SIZE), mode="bicubic").clamp(-1, 1)


def moving(picture: torch.Tensor, px: float, frames: int = FRAMES) -> torch.Tensor:
    """[frames, 3, H, W] that goes px/frame to the right."""
    shift = -torch.arange(frames).view(-1, 1, 1, 1) * torch.tensor([px, 0.0]).view(1, 2, 1, 1)
    return backward_warp(picture, shift.expand(-1, -1, SIZE, SIZE))


def clips() -> list:
    return [("slow", moving(texture(5), 0.5)), ("fast", moving(texture(6), 2.0))]


def truth(animator, shot) -> torch.Tensor:
    return next(clip for _, clip in clips() if torch.equal(clip[:1], shot.image))


def test_autoencoder_counts_clips_and_stills_apart(parts):
    def through(animator, video):
        return video + (0.02 if torch.equal(video[0], video[-1]) else 0.2)

    parts.monkeypatch.setattr(parts.modules["autoencoder"], "through_autoencoder", through)
    bars = parts.run("autoencoder")
    assert bars["autoencoder: PSNR of stills, dB"].value == pytest.approx(40, abs=0.01)  # 2 / 0.02 is 40 dB
    assert bars["autoencoder: PSNR of clips' frames, dB"].value == pytest.approx(20, abs=0.01)
    assert bars["autoencoder: flicker of a still, of 255"].value == 0
    assert [bar.met for bar in bars.values()].count(False) >= 1


def test_reconstruction_that_is_the_clip_beats_all(parts):
    parts.video = lambda animator, shot: truth(animator, shot) + 1e-3
    bars = parts.run("reconstruction")
    assert len(bars) == 8 and all(bar.met for bar in bars.values())
    summary = json.loads((parts.out / "reconstruction.json").read_text(encoding="utf-8"))["summary"]
    assert summary["moving psnr"]["copied"] < 20 < summary["all psnr"]["model"]
    assert summary["moving psnr"]["copied"] < summary["moving psnr"]["warped"]
    assert (parts.out / "reconstruction.png").is_file()


def test_reconstruction_that_copies_does_not(parts):
    parts.video = lambda animator, shot: shot.image.expand(FRAMES, -1, -1, -1)
    bars = parts.run("reconstruction")
    assert not any(bar.met for bar in bars.values())
    assert bars["reconstruction: SSIM over frame 0 copied, clips that move"].value == 0


def test_strength_has_to_grow(parts):
    parts.video = lambda animator, shot: moving(shot.image, shot.percent / 200)
    assert all(bar.met for bar in parts.run("strength_response").values())
    parts.out = parts.out / "constant"
    parts.video = lambda animator, shot: moving(shot.image, 1.0)
    assert not any(bar.met for bar in parts.run("strength_response").values())


def test_strength_is_told_without_a_flow(parts):
    asked = []
    parts.video = lambda animator, shot: asked.append(shot) or moving(shot.image, 1.0)
    parts.run("strength_response")
    assert [shot.percent for shot in asked] == [100, 200, 400] * 2 and {shot.flow for shot in asked} == {None}


def test_ablations_are_held_in_the_papers_order(parts):
    refined, asked = [], []

    def refine(refiner, dense, image, hints):
        refined.append(dense * 0.5)
        return refined[-1]

    def video(animator, shot):
        asked.append(shot)
        weight = 0.0 if shot.flow is None else 0.9 if any(shot.flow is flow for flow in refined) else 0.6
        weight -= 0.2 * (not shot.strength_conditioned)
        return weight * truth(animator, shot) + (1 - weight) * shot.image

    parts.monkeypatch.setattr(parts.modules["table1"], "refine", refine)
    parts.video = video
    bars = parts.run("ablations")
    assert len(bars) == 12 and all(bar.met for what, bar in bars.items() if "error" not in what)
    assert bars["ablations: error, without strength over without motion fields"].met
    full, without_refiner, without_fields, without_strength = asked[0::2]
    torch.testing.assert_close(full.flow, 0.5 * without_refiner.flow)
    torch.testing.assert_close(full.flow, without_strength.flow)
    assert without_fields.percent == pytest.approx(100 * float(full.flow.abs().mean()) * 512 / SIZE)
    assert full.percent is None and full.strength_conditioned and not without_strength.strength_conditioned


@pytest.fixture
def scene():
    """A disc of 40 px that goes 60 px to the right over grey."""
    pixels = np.zeros((80, 80, 4), np.float32)
    cv2.circle(pixels, (40, 40), 40, (0.9, 0.2, 0.1, 1), -1)
    path = np.array([[100.0, 120.0], [160.0, 120.0]])
    return Scene("disc", STRAIGHT, torch.zeros(1, 3, SIDE, SIDE), (Mover("disc", Cutout(pixels), path[0], path),))


def test_refiner_is_held_against_the_best_gaussian(parts, scene):
    module = parts.modules["refiner"]
    parts.monkeypatch.setattr(module, "made_scenes", lambda arguments: [scene])
    parts.monkeypatch.setattr(module, "refine", lambda refiner, dense, image, hints: dense)
    error, overlap = parts.run("refiner").values()
    assert error.value >= 1 >= overlap.value and not error.met and not overlap.met
    summary = json.loads((parts.out / "refiner.json").read_text(encoding="utf-8"))["summary"]
    assert summary["end-point error"]["refined"] == summary["end-point error"][f"{module.MODES[0]} 1"]
    best = max(value for name, value in summary["overlap"].items() if name != "refined")
    assert overlap.value == summary["overlap"]["refined"] / best and 0.3 < best < 1
    assert summary["way"]["refined"] == summary["way"]["unrefined"] == pytest.approx(0.9, abs=0.1)

    parts.out = parts.out / "exact"
    fields = {clip[:1]: static_field(estimate_flow(clip), 0)[None] for _, clip in clips()}
    fields[scene.still()] = module.true_field(scene)

    def exact(refiner, dense, image, hints):
        return next(field for picture, field in fields.items() if torch.equal(picture, image))

    parts.monkeypatch.setattr(module, "refine", exact)
    error, overlap = parts.run("refiner").values()
    assert error.value < 0.2 and overlap.value > 1 and error.met and overlap.met
    summary = json.loads((parts.out / "refiner.json").read_text(encoding="utf-8"))["summary"]
    assert summary["way"]["refined"] < 0.8  # a field that ends at the outline does not carry it on
    assert summary["overlap"]["refined"] == 1 and summary["overlap"]["no motion"] == 0


def test_the_true_field_of_a_scene_is_the_way_of_its_thing(parts, scene):
    true = parts.modules["refiner"].true_field(scene)
    inside = scene.masks()[0] > 0.5
    torch.testing.assert_close(true[:, :1][inside], torch.full((int(inside.sum()),), 60.0), atol=0.01, rtol=0)
    assert not true.norm(dim=1, keepdim=True)[~inside].any()


def test_camera_lora_is_held_against_none(parts):
    module = parts.modules["camera"]
    lora = parts.out / "lora.safetensors"
    lora.write_bytes(b"low rank")
    parts.monkeypatch.setattr(module.locations, "resolve", lambda kind, name: lora)
    parts.monkeypatch.setattr(module, "apply_lora", lambda animator, path, weight: replace(animator, name=path))
    speed = {"plain": 2.0, lora: 0.5}
    parts.video = lambda animator, shot: moving(shot.image, speed[animator.name])
    (bar,) = parts.run("camera").values()
    assert bar.value == pytest.approx(0.25, rel=0.2) and bar.met
    rows = json.loads((parts.out / "camera.json").read_text(encoding="utf-8"))["rows"]
    assert rows["fast, without"]["border_px"] == pytest.approx(2 * 256 / SIZE, rel=0.2)


def test_a_part_that_cannot_run_says_so_and_the_others_go_on(parts, monkeypatch, capsys):
    from driftfield.evaluation import commands

    (parts.out / "index.json").touch()
    parts.video = lambda animator, shot: moving(shot.image, shot.percent / 200)
    words = ["builtin", "camera", "strength_response", "--data", str(parts.out), "--out", str(parts.out / "out")]
    monkeypatch.setattr(parts.modules["camera"].locations, "WEIGHTS", parts.out)
    assert commands.main([*words, "--frames", str(FRAMES)]) == 2
    said = capsys.readouterr()
    assert said.err.startswith("camera: lora 'built-in'") and "pass  strength" in said.out
