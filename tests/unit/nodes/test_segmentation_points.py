"""The points that Draw Motion Arrows gives: as ComfyUI's own SAM3 Detect reads them, and as lists that ComfyUI runs."""

import importlib.util
import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

ARROWS = {
    "version": 1,
    "arrows": [
        {"id": "a", "points": [[0.25, 0.5], [0.75, 0.5]]},
        {"id": "pin", "points": [[0.9, 0.9]]},
        {"id": "b", "points": [[0.5, 0.25], [0.5, 0.5], [1, 1]]},
        {"id": "still", "points": [[0, 0], [0, 0]]},
    ],
}


@pytest.fixture
def points(comfy_base):
    import folder_paths

    from driftfield.nodes.arrows import DrawMotionArrows

    folder_paths.set_temp_directory(str(comfy_base / "temp"))

    def of(arrows):
        """(tails, pins) of arrows on a picture of 64 x 32 px."""
        return DrawMotionArrows.execute(torch.zeros(1, 32, 64, 3), json.dumps(arrows) if arrows else "").result[-2:]

    return of


def test_a_text_for_each_tail_and_one_for_all_pins(points):
    tails, pins = points(ARROWS)
    assert [json.loads(tail) for tail in tails] == [[{"x": 16, "y": 16}], [{"x": 32, "y": 8}]]
    assert json.loads(pins) == [{"x": 57.6, "y": 28.8}, {"x": 0, "y": 0}]


def test_without_arrows_there_is_one_empty_text(points):
    assert points(None) == (["[]"], "[]")
    tails, pins = points({"version": 1, "arrows": [{"points": [[0.5, 0.5]]}]})
    assert tails == ["[]"] and json.loads(pins) == [{"x": 32, "y": 16}]


def test_they_come_last_and_only_tails_are_a_list(node_classes):
    (node,) = [each for each in node_classes if each.GET_SCHEMA().node_id == "DriftfieldDrawMotionArrows"]
    outputs = [(output.id, output.is_output_list) for output in node.GET_SCHEMA().outputs]
    assert outputs[:4] == [(name, False) for name in ("motion_arrows", "preview", "coord_str", "region")]
    assert outputs[4:] == [("tails", True), ("pins", False)]


@pytest.fixture
def sam3(comfy_base, monkeypatch):
    """ComfyUI's SAM3 Detect, and the points that its network was asked at. A stand-in for the network finds nothing."""
    file = Path(os.environ["COMFYUI_DIR"], "comfy_extras", "nodes_sam3.py")
    if not file.is_file():
        pytest.skip("this ComfyUI has no SAM 3")
    spec = importlib.util.spec_from_file_location("nodes_sam3", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module.comfy.model_management, "load_model_gpu", lambda model: None)
    asked = []

    def forward_segment(frame, point_inputs=None, mask_inputs=None):
        asked.append(point_inputs)
        return torch.full((1, 1, 252, 252), -1.0)

    network = SimpleNamespace(forward_segment=forward_segment)
    model = SimpleNamespace(model=SimpleNamespace(get_dtype=lambda: torch.float32, diffusion_model=network))

    def detect(positive, negative):
        asked.clear()
        image = torch.zeros(1, 32, 64, 3)
        found = module.SAM3_Detect.execute(model, image, positive_coords=positive, negative_coords=negative)
        first = asked[0] if asked else None
        return found.result[0], first and (first["point_coords"].tolist(), first["point_labels"].tolist())

    return detect


def test_sam3_reads_them(points, sam3):
    tails, pins = points(ARROWS)
    mask, (coordinates, labels) = sam3(tails[1], pins)
    assert mask.shape == (1, 32, 64) and labels == [[1, 0, 0]]
    expected = [[32 / 64 * 1008, 8 / 32 * 1008], [0.9 * 1008, 0.9 * 1008], [0, 0]]
    torch.testing.assert_close(torch.tensor(coordinates), torch.tensor([expected]).float())


def test_sam3_takes_an_empty_list_for_no_points(points, sam3):
    tails, pins = points({"version": 1, "arrows": ARROWS["arrows"][:1]})
    assert sam3(tails[0], pins)[1][1] == [[1]]
    (tail,), pins = points(None)
    mask, asked = sam3(tail, pins)
    assert asked is None and mask.shape == (1, 32, 64) and not mask.any()
