"""What ComfyUI's template browser shows of the workflows: a picture, and their texts in each language."""

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).absolute().parents[2]
NAMES = sorted(file.stem for file in (ROOT / "workflows").glob("*.json"))


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("kind", ["template", "templateDescription"])
def test_every_template_is_named_and_described_under_the_keys_that_the_front_end_asks_for(language, kind):
    texts = json.loads((ROOT / "locales" / language / "main.json").read_text(encoding="utf-8"))
    texts = texts["templateWorkflows"][kind]["driftfield"]
    assert sorted(texts) == NAMES and all(texts.values())


@pytest.mark.parametrize("name", NAMES)
def test_every_template_has_its_picture(name):
    assert (ROOT / "workflows" / f"{name}.jpg").stat().st_size > 1000


@pytest.mark.parametrize("name", NAMES)
def test_arrows_of_every_template_reach_equally_far_at_any_size(name):
    nodes = json.loads((ROOT / "workflows" / f"{name}.json").read_text(encoding="utf-8"))["nodes"]
    for sigma, _, mode in [node["widgets_values"] for node in nodes if node["type"] == "DriftfieldDensifyFlow"]:
        assert (sigma < 1, mode) == (True, "followed")


@pytest.mark.parametrize("name", NAMES)
def test_the_node_that_scales_the_image_says_to_what_size(name):
    nodes = json.loads((ROOT / "workflows" / f"{name}.json").read_text(encoding="utf-8"))["nodes"]
    for node in [node for node in nodes if node["type"] == "ImageScale"]:
        _, width, height, _ = node["widgets_values"]
        assert node["title"] == f"Size: {width} × {height}"
