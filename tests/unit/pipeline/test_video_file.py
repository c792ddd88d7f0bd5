"""What an .mp4 does to frames: a picture that lives comes again without a jump."""

import json
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from driftfield.flow_tools.flowing import WINDOWS, mean_around
from driftfield.flow_tools.living import CALM_WATER, Living, plates
from driftfield.flow_tools.region import parse_region
from driftfield.pipeline.video_file import video_file
from driftfield.training.data.prepared_set import read_still, to_unit

WORKFLOWS = Path(__file__).absolute().parents[3] / "workflows"
LAKE = slice(160, None)  # rows of the picture


def join(frames, region):
    """The step from the last frame to the first over the mean step, in the region, of frames [L, 3, H, W]."""
    steps = torch.cat([frames, frames[:1]]).diff(dim=0).abs().mul(region).mean((1, 2, 3))
    return float(steps[-1] / steps[:-1].mean())


@pytest.fixture(scope="module")
def lake():
    """The frames [25, 3, h, w] −1..1 of the template's lake, its region, and fps and crf of its file."""
    nodes = json.loads((WORKFLOWS / "living_water.json").read_text(encoding="utf-8"))["nodes"]
    widgets = {node["type"]: node["widgets_values"] for node in nodes}
    painted = next(node for node in nodes if node["type"] == "DriftfieldDrawMotionArrows" and node["id"] == 8)
    region = parse_region(painted["widgets_values"][0])
    height, width = region.shape[-2:]
    still = to_unit(read_still(WORKFLOWS / "living_input.jpg"))[None]
    still = torch.nn.functional.interpolate(still, size=(height, width), mode="area")[..., LAKE, :]
    region = region[..., LAKE, :]
    colours, share = plates(still, [Living(region, CALM_WATER, 5)], torch.zeros(1, 2, *still.shape[-2:]), 25)
    _, fps, crf, *_ = widgets["DriftfieldSaveAnimation"]
    return colours + still * (1 - share), region, fps, crf


def test_the_templates_lake_has_the_contrast_of_the_still(lake):
    frames, region, *_ = lake
    fine = (frames - mean_around(frames, WINDOWS[0])).square().mul(region).mean((1, 2, 3)).sqrt()
    assert ((fine / fine[0] - 1).abs() < 0.1).all()


def test_the_templates_lake_joins_in_its_file_as_its_frames_do(lake, tmp_path):
    frames, region, fps, crf = lake
    height, width = frames.shape[-2:]
    with video_file(tmp_path / "lake.mp4", fps=fps, width=width, height=height, crf=crf) as write:
        write((frames.movedim(1, -1) + 1) / 2)
    with av.open(str(tmp_path / "lake.mp4")) as container:
        seen = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    found, own = join(torch.from_numpy(seen).movedim(-1, 1).float(), region), join(frames, region)
    print(f"joins at {own:.2f} times the mean step, in the file at {found:.2f}")
    assert own < 1.1 and found < 1.1
