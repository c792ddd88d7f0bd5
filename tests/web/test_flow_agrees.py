"""The flow that the editor shows is the flow that the nodes make."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from driftfield.flow_tools.arrows import parse_arrows
from driftfield.flow_tools.dense import sigma_in_px
from driftfield.flow_tools.motion import dense_motion, sparse_motion
from driftfield.flow_tools.warp import accumulate_backward

HERE = Path(__file__).absolute().parent
WORKFLOWS = HERE.parents[1] / "workflows"
MOST = 1e-3  # px/frame


def in_the_browser(cases: list[dict]) -> list[np.ndarray]:
    """[2, height, width] for each case; see field_values.mjs."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node on this machine")
    ran = subprocess.run([node, HERE / "field_values.mjs"], input=json.dumps(cases).encode(), capture_output=True)
    assert ran.returncode == 0, ran.stderr.decode()
    sizes = [2 * case["width"] * case["height"] for case in cases]
    parts = np.split(np.frombuffer(ran.stdout, np.float32), np.cumsum(sizes)[:-1])
    return [part.reshape(2, case["height"], case["width"]) for part, case in zip(parts, cases, strict=True)]


def in_python(case: dict) -> torch.Tensor:
    text = json.dumps({"version": 1, "arrows": case["arrows"]})
    width, height = case["width"], case["height"]
    arrows = parse_arrows(text, width=width, height=height)
    sparse, hints = sparse_motion(arrows, height=height, width=width, frames=case["frames"])
    region = case.get("region")
    if region is not None:
        data = torch.tensor(region["data"], dtype=torch.float32).view(1, 1, region["height"], region["width"])
        region = F.interpolate(data, size=(height, width), mode="bilinear")
    sigma_px = sigma_in_px(case["sigma"], height, width)
    options = {"sigma_px": sigma_px, "threshold": case["threshold"], "mode": case["mode"], "region": region}
    return dense_motion(sparse, hints, **options).field


def shipped() -> list[dict]:
    """The arrows of the workflows on their picture, with the numbers of the nodes behind them."""
    cases = []
    for file in sorted(WORKFLOWS.glob("*.json")):
        nodes = json.loads(file.read_text(encoding="utf-8"))["nodes"]
        values = {node["type"]: node.get("widgets_values") for node in reversed(nodes)}  # the first of each type
        if "DriftfieldDrawMotionArrows" not in values:
            continue
        width, height = Image.open(WORKFLOWS / "example_input.jpg").size
        sigma, threshold, mode = values["DriftfieldDensifyFlow"]
        drawn = json.loads(values["DriftfieldDrawMotionArrows"][0])["arrows"]
        arrows = [{key: entry[key] for key in ("points", "strength")} for entry in drawn]  # all as steady areas
        flow = {"frames": values["DriftfieldArrowsToSparseFlow"][2], "width": width, "height": height}
        cases.append({"arrows": arrows, "sigma": sigma, "threshold": threshold, "mode": mode, **flow})
    return cases


def arrow(*points, strength=1.0) -> dict:
    return {"points": points, "strength": strength}


HARD = {
    "arrows": [
        arrow([0.1, 0.2], [0.5, 0.25]),
        arrow([0.3, 0.7], [0.4, 0.4], [0.4, 0.4], [0.9, 0.6], [0.95, 0.05], strength=1.7),
        arrow([0.8, 0.9]),
        arrow([0.35, 0.6], [0.36, 0.95], strength=0.3),
        arrow([0.2, 0.2], [0.2, 0.9], [0.8, 0.2]),
        arrow([1, 1], [0, 0]),
        arrow([0.6, 0.6], [0.6, 0.6]),
    ],
    "width": 96,
    "height": 61,
    "frames": 14,
    "threshold": 0.05,
    "mode": "faded",
}
FOLLOWED = {**HARD, "mode": "followed"}
HALF = {"width": 20, "height": 10, "data": [float(x < 9) for _ in range(10) for x in range(20)]}
CASES = {
    **{f"shipped {i}": case for i, case in enumerate(shipped())},
    "narrow": {**HARD, "sigma": 4},
    "paper's sigma": {**HARD, "sigma": 0},
    "normalized": {**HARD, "sigma": 9.5, "mode": "normalized"},
    "sum": {**HARD, "sigma": 9.5, "mode": "sum", "threshold": 0.3},
    "region": {**HARD, "sigma": 20, "region": HALF},
    "followed": {**FOLLOWED, "sigma": 0},
    "followed, a share": {**FOLLOWED, "sigma": 0.15},
    "followed, narrow": {**FOLLOWED, "sigma": 2.5},
    "followed, no threshold": {**FOLLOWED, "sigma": 9.5, "threshold": 0},
    "followed, region": {**FOLLOWED, "sigma": 20, "region": HALF},
    "followed, a pin beside": {**FOLLOWED, "sigma": 0, "arrows": [arrow([0.2, 0.2], [0.4, 0.3]), arrow([0.3, 0.3])]},
    "followed, two in one pixel": {
        **FOLLOWED,
        "sigma": 0,
        "arrows": [
            arrow([0.2, 0.5], [0.6, 0.5]),
            arrow([0.201, 0.5], [0.2, 0.1]),
            arrow([0.7, 0.5]),
            arrow([0.3, 0.5]),
        ],
    },
    "nothing drawn": {**HARD, "arrows": [], "sigma": 20},
}


def test_the_field_is_pythons():
    assert len(shipped()) >= 2
    for (name, case), field in zip(CASES.items(), in_the_browser(list(CASES.values())), strict=True):
        expected = in_python(case)[0].numpy()
        assert np.abs(field - expected).max() <= MOST, name
        assert name == "nothing drawn" or np.abs(expected).max() > 0.3, name


def test_the_way_back_to_the_first_frame_is_pythons():
    case = {**HARD, "sigma": 12, "threshold": 0.0}
    steps = case["frames"] - 1
    expected = accumulate_backward(in_python(case), case["frames"])[-1].numpy()
    (found,) = in_the_browser([{**case, "steps": steps}])
    assert np.abs(expected).max() > 10
    assert np.abs(found - expected).max() <= MOST * steps
