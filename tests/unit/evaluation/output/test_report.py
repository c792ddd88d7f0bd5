"""Figures are kept, held against their bars, and laid out; pictures come out as files."""

import json
import math

import cv2
import pytest
import torch

from driftfield.evaluation.output.console import table
from driftfield.evaluation.output.contact_sheet import (
    MOST_BLOCKS,
    STRIP_PX,
    shown_frames,
    write_large_sheet,
    write_sheet,
    write_strip,
)
from driftfield.evaluation.output.results import Bar, Results, digest_without_lora


def test_bars():
    assert Bar("a", 0.7, 0.7).met and not Bar("a", 0.69, 0.7).met
    assert Bar("a", 0.7, 0.7, at_least=False).met and not Bar("a", 0.71, 0.7, at_least=False).met
    assert Bar("a", 0.1, 0, strict=True).met and not Bar("a", 0, 0, strict=True).met
    assert Bar("a", -0.1, 0, at_least=False, strict=True).met and " (bar > 0)" in str(Bar("a", 1, 0, strict=True))
    assert not Bar("a", math.nan, 0).met and not Bar("a", math.nan, 0, at_least=False).met
    assert str(Bar("speed", 1.25, 2)) == "FAIL  speed: 1.250  (bar >= 2)"


def test_an_interrupted_run_goes_on(tmp_path, capsys):
    file = tmp_path / "new" / "figures.json"

    def interrupted(keys):
        yield {"x": 1.5}
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Results(file, {"steps": 2}).fill(["a", "b"], interrupted, str)
    again = Results(file, {"steps": 2})
    asked = []
    rows = again.fill(["b", "a"], lambda keys: [asked.append(keys) or {"x": 2.5}], lambda row: f"x {row['x']}")
    assert rows == {"b": {"x": 2.5}, "a": {"x": 1.5}} and list(rows) == ["b", "a"] and asked == [["b"]]
    assert "1/1 b: x 2.5" in capsys.readouterr().out
    assert again.fill(["a"], lambda keys: pytest.fail("computed twice"), str) == {"a": {"x": 1.5}}
    again.finish({"mean": 1.5}, [Bar("a", 1, 2)])
    content = json.loads(file.read_text(encoding="utf-8"))
    assert content["rows"] == {"a": {"x": 1.5}, "b": {"x": 2.5}} and content["summary"] == {"mean": 1.5}
    assert content["bars"][0]["met"] is False
    with pytest.raises(ValueError, match="figures.json: holds figures of {'steps': 2}, allowed {'steps': 3}"):
        Results(file, {"steps": 3})


def test_table():
    text = table(("name", "x"), [("long name", 1.234), ("b", None), ("c", math.nan), ("d", 12.0)])
    assert text.splitlines() == [
        "name           x",
        "long name   1.23",
        "b              -",
        "c              -",
        "d          12.00",
    ]


def test_digest_follows_the_weights(tmp_path):
    (tmp_path / "a.safetensors").write_bytes(b"1")
    before = digest_without_lora(tmp_path)
    (tmp_path / "a.txt").write_bytes(b"1")
    (tmp_path / "camera_lora.safetensors").write_bytes(b"1")
    assert digest_without_lora(tmp_path) == before
    (tmp_path / "a.safetensors").write_bytes(b"2")
    assert digest_without_lora(tmp_path) != before


def test_contact_sheet(tmp_path):
    video = torch.linspace(-1, 1, 9).view(9, 1, 1, 1).expand(9, 3, 32, 32)
    assert [float(frame[0, 0, 0]) for frame in shown_frames(video)] == [0, 0.25, 0.5, 0.75, 1]
    strips = [tmp_path / f"{i}" / "strip.png" for i in range(4)]
    for strip in strips:
        write_strip(strip, "a label", shown_frames(video))
    assert cv2.imread(str(strips[0])).shape == (32 + 4, 5 * 32, 3)
    write_sheet(tmp_path / "sheet.png", [[strip, strip] for strip in strips])
    width = round(5 * 32 / 36 * STRIP_PX)
    assert cv2.imread(str(tmp_path / "sheet.png")).shape == (4 * STRIP_PX, 3 * width, 3)  # 4 blocks in 3 columns
    write_sheet(tmp_path / "sheet.png", [strips[:1]] * 100)
    assert cv2.imread(str(tmp_path / "sheet.png")).shape == (MOST_BLOCKS // 3 * STRIP_PX, 3 * width, 3)
    write_large_sheet(tmp_path / "large.png", strips)
    assert cv2.imread(str(tmp_path / "large.png")).shape == (4 * 36, 5 * 32, 3)
