"""Each workflow file, as the prompt that its graph stands for, runs to a video."""

import json
from pathlib import Path

import pytest
from api_form import set_widget, to_api_form

ROOT = Path(__file__).absolute().parents[2]
WORKFLOWS = sorted((ROOT / "workflows").glob("*.json"))
NEED_FILES = ("any_model_arrows", "any_model_long", "svd_native")  # test_any_model.py runs them as far as they go


def test_each_has_a_picture():
    assert len(WORKFLOWS) >= 3
    assert [file.stem for file in WORKFLOWS if not file.with_suffix(".jpg").is_file()] == []


@pytest.mark.parametrize(
    "file", [file for file in WORKFLOWS if file.stem not in NEED_FILES], ids=lambda file: file.stem
)
def test_it_runs_to_a_video(client, server, object_info, file):
    workflow = json.loads(file.read_text(encoding="utf-8"))
    smaller = {
        ("ImageScale", "width"): 128,
        ("ImageScale", "height"): 128,
        ("DriftfieldAnimateImage", "steps"): 2,
        ("DriftfieldExtendAnimation", "total_frames"): 30,
    }
    for (node_type, name), value in smaller.items():  # the demo runs it in full
        if any(node["type"] == node_type for node in workflow["nodes"]):
            set_widget(workflow, object_info, node_type, name, value)
    result = client.run(to_api_form(workflow, object_info), workflow=workflow)
    (video,) = [server.file(entry) for entry in result.files() if entry["filename"].endswith(".mp4")]
    assert video.stat().st_size > 1000
