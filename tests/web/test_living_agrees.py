"""What the editor's preview shows of living regions is what the pipeline makes of them."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from driftfield.flow_tools.arrows import parse_arrows
from driftfield.flow_tools.beyond import continued, margin_of
from driftfield.flow_tools.flowing import mean_around
from driftfield.flow_tools.living import CALM_WATER, CLOUDS, KINDS, LEAVES, RUNNING_WATER, Living, plates
from driftfield.flow_tools.motion import dense_motion, sparse_motion
from driftfield.flow_tools.warp import accumulate_backward, reference_video

HERE = Path(__file__).absolute().parent
WIDTH, HEIGHT, FRAMES, SIGMA = 96, 61, 14, 20
MOST_PICTURE = 2  # of 255

LOWER = torch.zeros(HEIGHT, WIDTH)
LOWER[25:] = 1
BLOB = (torch.hypot(torch.arange(WIDTH) - 50.0, torch.arange(HEIGHT)[:, None] - 22.0) < 18).float()
WATER = [{"points": [[0.2, 0.8], [0.4, 0.75]], "strength": 1.0}]
FAST = [{"points": [[0.2, 0.6], [0.9, 0.65]], "strength": 1.0}]
INWARD = [{"points": [[0.03, 0.7], [0.3, 0.7]], "strength": 1.0}]
SWAYING = [{**WATER[0], "timing": "sway"}]
CASES = {  # arrows, region of the flow, what lives
    **{kind: ([], None, [Living(LOWER[None, None], kind, 3)]) for kind in KINDS},
    "along an arrow": (WATER, LOWER, [Living(LOWER[None, None], RUNNING_WATER, 2**40 + 5)]),
    "an arrow that goes on outside": (WATER, None, [Living(BLOB[None, None], CLOUDS, 8)]),
    "fast": (FAST, LOWER, [Living(LOWER[None, None], RUNNING_WATER, 1)]),
    "an arrow that sways": (SWAYING, LOWER, [Living(LOWER[None, None], RUNNING_WATER, 4)]),
    "in over the border": (INWARD, LOWER, [Living(BLOB[None, None], RUNNING_WATER, 9)]),
    "in over the border, living there": (INWARD, LOWER, [Living(LOWER[None, None], LEAVES, 9)]),
    "set by hand": ([], None, [Living(LOWER[None, None], CALM_WATER, 3, 0.7, 0.2, 7.0, 5.0)]),
    "several": (WATER, LOWER, [Living(LOWER[None, None], RUNNING_WATER, 2), Living(BLOB[None, None], LEAVES, 6)]),
    "a coarse mask": ([], None, [Living(torch.eye(4)[None, None], CLOUDS, 6)]),
}


def picture() -> torch.Tensor:
    noise = torch.randn(1, 3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(2))
    column, row = torch.arange(WIDTH) / WIDTH, torch.arange(HEIGHT)[:, None] / HEIGHT
    alone = (column > 0.3) | (row < 0.6)  # a texture on even ground
    texture = alone * mean_around(noise, 3.5 / WIDTH) + 0.4 * torch.sin(9 * column + 5 * row)
    return ((texture.clamp(-1, 1) + 1) * 127.5).round() / 127.5 - 1


def field_of(arrows: list[dict], allowed: torch.Tensor | None) -> torch.Tensor:
    text = json.dumps({"version": 2, "arrows": arrows})
    motion, hints = sparse_motion(
        parse_arrows(text, width=WIDTH, height=HEIGHT), height=HEIGHT, width=WIDTH, frames=FRAMES
    )
    region = None if allowed is None else allowed[None, None]
    return dense_motion(motion, hints, sigma_px=SIGMA, region=region).field


def in_python(arrows: list[dict], allowed: torch.Tensor | None, living: list[Living]) -> torch.Tensor:
    """[L, 3, H, W] -1..1."""
    field = field_of(arrows, allowed)
    behind = reference_video(picture(), field, FRAMES)
    colours, share = plates(picture(), living, field, FRAMES)
    return behind * (1 - share) + colours


def mask(values: torch.Tensor) -> dict:
    return {"width": values.shape[1], "height": values.shape[0], "data": values.flatten().tolist()}


def given(arrows: list[dict], allowed: torch.Tensor | None, living: list[Living], t: int) -> dict:
    plate = continued(picture(), margin_of(accumulate_backward(field_of(arrows, allowed), FRAMES)))
    rgba = torch.cat([(plate + 1) * 127.5, torch.full_like(plate[:, :1], 255)], 1)[0].permute(1, 2, 0)
    alive = [
        {
            "region": mask(each.region[0, 0]),
            "kind": each.kind,
            "seed": each.seed,
            "amplitude": -1 if each.amplitude is None else each.amplitude,
            **{name: getattr(each, name) or 0 for name in ("size", "period", "reset")},
        }
        for each in living
    ]
    grid = {"width": WIDTH, "height": HEIGHT, "frames": FRAMES, "sigma": SIGMA, "threshold": 0.05, "mode": "followed"}
    region = None if allowed is None else mask(allowed)
    return {
        "arrows": arrows,
        "masks": [],
        "living": alive,
        "layers": {"plate": rgba.round().int().flatten().tolist(), "objects": []},
        "t": t,
        "region": region,
        **grid,
    }


@pytest.mark.parametrize("t", [1, 6, FRAMES - 1])
def test_the_picture_of_a_frame_is_pythons(t):
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node on this machine")
    cases = json.dumps([given(*case, t) for case in CASES.values()]).encode()
    ran = subprocess.run([node, HERE / "motion_values.mjs"], input=cases, capture_output=True)
    assert ran.returncode == 0, ran.stderr.decode()
    found = np.frombuffer(ran.stdout, np.float32).reshape(len(CASES), HEIGHT, WIDTH, 4)[..., :3]
    still = (picture()[0].permute(1, 2, 0).numpy() + 1) * 127.5
    worst = 0
    for (name, case), shown in zip(CASES.items(), found, strict=True):
        expected = (in_python(*case)[t].permute(1, 2, 0).numpy() + 1) * 127.5
        assert np.abs(expected - still).mean() > 0.1, name
        off = np.abs(shown - expected)
        assert off.max() <= MOST_PICTURE, (name, off.max(), off.mean())
        worst = max(worst, off.max())
    print(f"frame {t}: at most {worst:.2f} of 255 off")
