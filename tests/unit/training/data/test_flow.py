"""Flow of the training clips: DIS, or RAFT with a user's weights."""

import pytest
import torch
from safetensors.torch import save_file
from torchvision.models.optical_flow import raft_large

from driftfield.flow_tools.estimate import estimate_flow, estimate_flow_raft
from driftfield.training.data.flow import estimate_flows, load_raft
from driftfield.training.data.prepared_set import load, to_unit


def test_flow_by_dis(toy_data):
    clips = load(toy_data, "clips", "train")[1]
    for clip, flow in zip(clips, estimate_flows(clips), strict=True):
        assert torch.equal(flow, estimate_flow(to_unit(clip)))


def test_flow_by_raft_with_weights_of_either_kind(tmp_path):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        state = raft_large(weights=None, progress=False).eval().state_dict()
    save_file(state, tmp_path / "raft.safetensors")
    torch.save(state, tmp_path / "raft.pth")
    clip = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    first, second = (
        estimate_flows([clip], load_raft(tmp_path / f"raft.{s}", "cpu"))[0] for s in ("safetensors", "pth")
    )
    assert first.shape == (1, 2, 64, 64) and first.isfinite().all() and torch.equal(first, second)
    assert torch.equal(first, estimate_flow_raft(to_unit(clip), load_raft(tmp_path / "raft.pth", "cpu")))


def test_other_weights_are_named(tmp_path):
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="other.safetensors: not torchvision's raft_large"):
        load_raft(tmp_path / "other.safetensors", "cpu")
