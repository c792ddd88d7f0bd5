"""`living`: its figures know a video that lives from one that does not, and the command writes its page."""

import json

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F

SIDE = 64


def textured(seed: int = 0) -> torch.Tensor:
    noise = torch.rand(1, 3, SIDE // 4, SIDE // 4, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return F.interpolate(noise, size=(SIDE, SIDE), mode="bicubic").clamp(-1, 1)


@pytest.fixture(scope="module")
def whole():
    return torch.ones(1, 1, SIDE, SIDE, dtype=torch.bool)


def test_a_steady_shift_fluctuates_not_and_is_explained(comfy_base, whole):
    from driftfield.evaluation.metrics.liveliness import liveliness

    frames = torch.cat([torch.roll(textured(), t, -1) for t in range(12)])
    inner = whole.clone()
    inner[..., :14], inner[..., -14:] = False, False
    found = liveliness(frames, inner)
    assert found.fluctuation < 1.0 and found.unexplained < 0.15 and found.persistence > 0.9


def test_what_swings_has_the_speed_and_the_memory_of_its_swing(comfy_base, whole):
    from driftfield.evaluation.metrics.liveliness import liveliness

    way = 2 * np.sin(2 * np.pi * np.arange(25) / 12)
    grid = F.affine_grid(torch.eye(2, 3)[None].repeat(25, 1, 1), [25, 3, SIDE, SIDE], align_corners=False)
    opposite = torch.where(torch.arange(SIDE) < SIDE // 2, 1, -1).view(1, SIDE, 1)  # not the whole picture as one
    grid[..., 0] += torch.from_numpy(way).float().view(25, 1, 1) * opposite * 2 / SIDE
    frames = F.grid_sample(textured().expand(25, -1, -1, -1), grid, padding_mode="border", align_corners=False)
    found = liveliness(frames, whole)
    rms = np.sqrt(np.mean(np.diff(way) ** 2)) * 256 / SIDE
    assert found.fluctuation == pytest.approx(rms, rel=0.3)
    assert found.memory == pytest.approx(2, abs=0.7), "a cosine of 12 frames is half after 2"


def test_what_is_new_in_every_frame_is_neither_explained_nor_followed(comfy_base, whole):
    from driftfield.evaluation.metrics.liveliness import liveliness

    found = liveliness(torch.cat([textured(seed) for seed in range(12)]), whole)
    assert found.unexplained > 0.3 and found.persistence < 0.6


@pytest.fixture(scope="module")
def data(comfy_base, tmp_path_factory):
    from driftfield.evaluation.living.scenes import REAL, SCENES, WORKFLOW

    folder = tmp_path_factory.mktemp("data")
    (folder / "stills").mkdir()
    (folder / "clips").mkdir()
    clips = {clip for clip, _ in REAL.values()}
    for name in {scene.name for scene in SCENES.values()} - clips - {WORKFLOW.stem}:
        pixels = ((textured()[0].permute(1, 2, 0).numpy() + 1) * 127.5).astype(np.uint8)
        cv2.imwrite(str(folder / "stills" / f"{name}.webp"), pixels)
    for name in clips:
        video = cv2.VideoWriter(str(folder / "clips" / f"{name}.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), 8, (SIDE, SIDE))
        for t in range(10):
            video.write(((torch.roll(textured(), t, -1)[0].permute(1, 2, 0).numpy() + 1) * 127.5).astype(np.uint8))
        video.release()
    (folder / "index.json").write_text(json.dumps({"clips": [], "stills": []}), encoding="utf-8")
    return folder


def test_the_command_writes_its_page(data, tmp_path, monkeypatch):
    from driftfield.evaluation import commands
    from driftfield.evaluation.living import scenes

    monkeypatch.setattr(scenes, "SIDE", SIDE)
    words = ["living", "--data", str(data), "--frames", "10", "--out", str(tmp_path), "--work", str(tmp_path / "work")]
    assert commands.main(words) == 0
    page = (tmp_path / "living.md").read_text(encoding="utf-8")
    assert all(f"| {name} |" in page for name in scenes.SCENES) and "| real: surf |" in page
    assert (tmp_path / "living.jpg").stat().st_size > 1000


def test_every_bar_is_measured_in_the_region(comfy_base):
    from driftfield.evaluation.living.command import bars

    still = F.interpolate(textured(), scale_factor=2)
    half = torch.ones_like(still[:, :1], dtype=torch.bool)
    half[..., :60] = False
    moving = torch.cat([torch.where(half, torch.roll(still, t, -2), still) for t in (0, 1, 2, 1)])
    found = bars(moving, moving, still, half)
    assert found["outside"] == 0 and found["seeds dB"] == float("inf")
    assert found["detail"] == pytest.approx(1, abs=0.1) and found["join"] == pytest.approx(1, abs=0.2)
    assert bars(moving, moving + 0.1, still, half)["outside"] > 10
