"""The part of the command `builtin` that takes the adapter off, on animations whose motion is known."""

from argparse import Namespace
from types import SimpleNamespace

import pytest
import torch

from driftfield.flow_tools.warp import reference_video

SIZE, FRAMES = 128, 9


@pytest.fixture
def run(comfy_base, monkeypatch, tmp_path):
    """run(video) gives the bars by name; video(shot) animates."""
    from driftfield.evaluation.builtin import without_adapter

    asked = []
    noise = torch.rand(1, 3, SIZE // 4, SIZE // 4, generator=torch.Generator().manual_seed(0)) * 2 - 1
    picture = torch.nn.functional.interpolate(noise, size=(SIZE, SIZE), mode="bicubic").clamp(-1, 1)
    models = SimpleNamespace(animator=SimpleNamespace(size=SIZE), refiner=None)
    monkeypatch.setattr(without_adapter, "load_models", lambda *, adapter: asked.append(adapter) or models)
    monkeypatch.setattr(without_adapter, "held_out_stills", lambda arguments, size: [("noise", picture)])
    (tmp_path / "index.json").write_text("{}", encoding="utf-8")
    arguments = Namespace(data=tmp_path, out=tmp_path, frames=FRAMES, steps=1, seed=0, stills=1)

    def go(video):
        def measured(models, shots, measure, arguments):
            return (measure(key, video(shot)) for key, shot in shots.items())

        monkeypatch.setattr(without_adapter, "measured", measured)
        bars = without_adapter.run(arguments)
        assert asked == ["none"]
        assert (tmp_path / "without_adapter.png").is_file() and (tmp_path / "without_adapter.json").is_file()
        return {bar.what.split(": ")[1].split(" ")[0]: bar for bar in bars}

    return go


def test_what_follows_the_flow_meets_the_bars(run):
    bars = run(lambda shot: reference_video(shot.image, shot.flow, FRAMES))
    assert bars["mean"].met and bars["mean"].value > 0.95
    assert bars["motion"].met


def test_what_goes_the_other_way_does_not(run):
    bars = run(lambda shot: reference_video(shot.image, -shot.flow, FRAMES))
    assert not bars["mean"].met and bars["mean"].value < -0.9


def test_what_slides_as_a_whole_moves_outside(run):
    bars = run(lambda shot: reference_video(shot.image, torch.ones(1, 2, SIZE, SIZE), FRAMES))
    assert not bars["motion"].met
