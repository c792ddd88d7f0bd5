"""Synthetic scenes: frames and flow agree, for every kind."""

import json
from pathlib import Path

import cv2
import pytest
import torch
import torch.nn.functional as F

from driftfield.flow_tools.warp import accumulate_backward, backward_warp
from driftfield.training.data.scenes import KINDS, render_scenes

SIZE = 64
FRAMES = 6
DATA = Path(__file__).parents[4] / ".data" / "mini"


def smooth_stills(count: int, side: int) -> torch.Tensor:
    noise = torch.rand(count, 3, side // 8, side // 8, generator=torch.Generator().manual_seed(1))
    return F.interpolate(noise, size=(side, side), mode="bicubic").clamp(0, 1) * 2 - 1


def render(kind, stills=None, size=SIZE, seed=0):
    stills = smooth_stills(4, SIZE * 5 // 4) if stills is None else stills
    return render_scenes(stills, frames=FRAMES, size=size, generator=torch.Generator().manual_seed(seed), kind=kind)


def agreement(video, flow, step: int) -> torch.Tensor:
    """PSNR (dB) of frame k predicted from frame k+1, away from borders and from where the flow jumps; [B]."""
    forward = flow[:, step]
    size = forward.shape[-1]
    predicted = backward_warp(video[:, step + 1], forward)
    line = torch.arange(size, dtype=torch.float32)
    there = torch.stack(torch.meshgrid(line, line, indexing="xy")) + forward
    inside = ((there > 1) & (there < size - 2)).all(1)
    moved = backward_warp(flow[:, min(step + 1, flow.shape[1] - 1)], forward)
    jump = ((moved - forward).norm(dim=1, keepdim=True) > 0.3).float()
    jump = F.max_pool2d(jump, 9, 1, 4)[:, 0] > 0
    range_px = F.max_pool2d(forward, 9, 1, 4) + F.max_pool2d(-forward, 9, 1, 4)
    seen = inside & ~(jump & (range_px.amax(1) > 0.3)) & ~(range_px.amax(1) > 3)
    error = ((predicted - video[:, step]) / 2).square().mean(1)
    return torch.stack([-10 * torch.log10(e[s].mean() + 1e-12) for e, s in zip(error, seen, strict=True)])


@pytest.mark.parametrize("kind", KINDS)
def test_flow_predicts_the_frames(kind):
    video, flow = render(kind)
    assert video.shape == (4, FRAMES, 3, SIZE, SIZE) and flow.shape == (4, FRAMES - 1, 2, SIZE, SIZE)
    assert video.isfinite().all() and flow.isfinite().all() and video.abs().max() <= 1
    for step in range(FRAMES - 1):
        assert agreement(video, flow, step).min() >= 35, (kind, step)


@pytest.mark.parametrize("kind", KINDS)
def test_warping_a_frame_by_its_flow_gives_the_next(kind):
    """Forwards: frame k+1 looked up in frame k along the inverse of F_k, away from occlusions and borders."""
    video, flow = render(kind)
    for step in range(FRAMES - 1):
        back = accumulate_backward(flow[:, step : step + 1], 2)[:, 1]
        predicted = backward_warp(video[:, step], back)
        line = torch.arange(SIZE, dtype=torch.float32)
        there = torch.stack(torch.meshgrid(line, line, indexing="xy")) + back
        inside = ((there > 1) & (there < SIZE - 2)).all(1)
        undone = (backward_warp(flow[:, step], back) + back).norm(dim=1, keepdim=True) > 0.05  # uncovered or covered
        range_px = F.max_pool2d(flow[:, step], 9, 1, 4) + F.max_pool2d(-flow[:, step], 9, 1, 4)
        edge = range_px.amax(1, keepdim=True) > 0.6
        seen = inside & ~(F.max_pool2d((undone | edge).float(), 9, 1, 4)[:, 0] > 0)
        error = ((predicted - video[:, step + 1]) / 2).square().mean(1)
        for e, s in zip(error, seen, strict=True):
            assert s.float().mean() > 0.2
            assert -10 * torch.log10(e[s].mean() + 1e-12) >= 35, (kind, step)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "still"])
def test_something_moves_and_the_negated_flow_is_wrong(kind):
    video, flow = render(kind)
    assert flow.norm(dim=2).amax((1, 2, 3)).max() > 0.2
    right = agreement(video, flow, 2).mean()
    wrong = agreement(video, -flow, 2).mean()
    assert right > wrong + 3


def test_still_scenes_do_not_move():
    video, flow = render("still")
    assert not flow.any()
    assert torch.equal(video, video[:, :1].expand_as(video))


def test_cutouts_occlude():
    _, flow = render("cutouts", seed=2)
    jumps = flow[:, 0].diff(dim=-1).abs().amax((1, 2, 3))
    assert (jumps > 0.2).any()


def test_mixed_batches_are_deterministic_and_leave_inputs_and_global_randomness_alone():
    stills = smooth_stills(12, 80)
    before, state = stills.clone(), torch.get_rng_state()
    first = render(None, stills, seed=3)
    second = render(None, stills, seed=3)
    other = render(None, stills, seed=4)
    assert torch.equal(first[0], second[0]) and torch.equal(first[1], second[1])
    assert not torch.equal(first[1], other[1])
    assert torch.equal(stills, before) and torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("stills", "options", "message"),
    [
        (torch.zeros(1, 3, 32, 32), {}, "allowed .B, 3, S, S. with S >= 64"),
        (torch.zeros(1, 1, 80, 80), {}, "stills: got"),
        (torch.zeros(1, 3, 80, 80), {"frames": 1}, "frames: got 1"),
        (torch.zeros(1, 3, 80, 80), {"kind": "explosion"}, "kind: got 'explosion'"),
    ],
)
def test_bad_input_is_named(stills, options, message):
    with pytest.raises(ValueError, match=message):
        render_scenes(stills, **{"frames": 3, "size": 64, "generator": torch.Generator(), **options})


@pytest.mark.skipif(not (DATA / "index.json").exists(), reason="the mini data set is not prepared")
def test_flow_predicts_the_frames_of_real_stills():
    names = [entry["name"] for entry in json.loads((DATA / "index.json").read_text(encoding="utf-8"))["stills"]][:60:15]
    stills = [cv2.imread(str(DATA / "stills" / f"{name}.webp"))[..., ::-1].copy() for name in names]
    stills = torch.stack([torch.from_numpy(still).permute(2, 0, 1) / 127.5 - 1 for still in stills])
    for kind in ("eulerian", "arrows", "camera"):
        video, flow = render(kind, stills, size=256)
        assert agreement(video, flow, 2).median() >= 35, kind
