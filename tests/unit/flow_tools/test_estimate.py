import pytest
import torch
from torch import nn

from driftfield.flow_tools.convention import flip_flow
from driftfield.flow_tools.estimate import estimate_flow, estimate_flow_raft
from driftfield.flow_tools.warp import backward_warp


def textured(height=96, width=128, seed=0):
    generator = torch.Generator().manual_seed(seed)
    layers = [
        nn.functional.interpolate(
            torch.randn(1, 3, height // cell, width // cell, generator=generator), (height, width), mode="bicubic"
        )
        for cell in (4, 8, 16)
    ]
    return (sum(layers) / 3).clamp(-1, 1)


def shifted(image, x, y):
    field = torch.tensor([x, y], dtype=torch.float32).view(1, 2, 1, 1).expand(1, 2, *image.shape[-2:])
    return backward_warp(image, -field)  # what was at p - (x, y) is now at p


def inner(flow):
    return flow[..., 16:-16, 16:-16]


@pytest.mark.parametrize("move", [(3, 0), (-3, 0), (0, 2), (-1.5, -2.5), (0, 0)])
def test_dis_recovers_a_translation(move):
    image = textured()
    flow = estimate_flow(torch.cat([image, shifted(image, *move)]))
    assert flow.shape == (1, 2, 96, 128) and flow.dtype == torch.float32
    error = (inner(flow) - torch.tensor(move).view(1, 2, 1, 1)).abs()
    assert error.mean() < 0.1 and error.median() < 0.1


def test_mirrored_frames_give_the_mirrored_flow():
    image = textured(seed=3)
    frames = torch.cat([image, shifted(image, 2, -1)])
    difference = inner(flip_flow(estimate_flow(frames.flip(-1))) - estimate_flow(frames)).abs()
    assert difference.mean() < 0.1


def test_a_flow_for_each_pair_with_progress_and_unchanged_input():
    image = textured()
    frames = torch.cat([shifted(image, 2 * t, 0) for t in range(4)])
    before, calls = frames.clone(), []
    flow = estimate_flow(frames, on_step=lambda i, total: calls.append((i, total)))
    assert calls == [(1, 3), (2, 3), (3, 3)] and torch.equal(frames, before)
    torch.testing.assert_close(inner(flow).mean((2, 3)), torch.tensor([[2.0, 0.0]] * 3), atol=0.1, rtol=0)


def test_frames_smaller_than_dis_needs():
    assert estimate_flow(torch.zeros(2, 3, 5, 7)).shape == (1, 2, 5, 7)


@pytest.mark.parametrize("shape", [(1, 3, 32, 32), (2, 4, 32, 32), (3, 32, 32)])
def test_wrong_frames_are_refused(shape):
    for estimate in (estimate_flow, lambda frames: estimate_flow_raft(frames, Raft())):
        with pytest.raises(ValueError, match=r"frames: got .* allowed \[L, 3, H, W\] with L of 2 or more"):
            estimate(torch.zeros(shape))


class Raft(nn.Module):
    """Says where it was called, as torchvision's RAFT would estimate."""

    def __init__(self):
        super().__init__()
        self.anchor = nn.Parameter(torch.zeros(1))
        self.calls = []

    def forward(self, first, second):
        self.calls.append((tuple(first.shape), float(first.mean()), float(second.mean())))
        x = torch.arange(first.shape[-1], dtype=torch.float32).expand(1, 2, *first.shape[-2:])
        return [torch.full_like(x, torch.nan), x + self.anchor]


@pytest.mark.parametrize(
    ("size", "padded"), [((130, 140), (136, 144)), ((128, 128), (128, 128)), ((60, 200), (128, 256))]
)
def test_raft_gets_padded_pairs_and_its_last_estimate_is_cropped(size, padded):
    raft, calls = Raft(), []
    frames = torch.stack([torch.full((3, *size), value) for value in (-1.0, 0.0, 1.0)])
    flow = estimate_flow_raft(frames, raft, on_step=lambda i, total: calls.append((i, total)))
    assert flow.shape == (2, 2, *size) and not flow.requires_grad
    assert raft.calls == [((1, 3, *padded), -1, 0), ((1, 3, *padded), 0, 1)] and calls == [(1, 2), (2, 2)]
    left = (padded[1] - size[1]) // 2
    assert torch.equal(flow[0, 0, 0], torch.arange(left, left + size[1], dtype=torch.float32))


def test_torchvision_raft_runs_through_it():
    from torchvision.models.optical_flow import raft_small

    with torch.random.fork_rng():
        raft = raft_small(weights=None).eval()
    flow = estimate_flow_raft(torch.zeros(2, 3, 64, 64), raft)
    assert flow.shape == (1, 2, 64, 64) and flow.isfinite().all()
