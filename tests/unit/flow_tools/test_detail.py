"""The still's own pixels on decoded frames: where they agree, and nowhere else."""

import math

import pytest
import torch

from driftfield.flow_tools.detail import nearness, restore_detail
from driftfield.flow_tools.warp import reference_video

SIZE, FRAMES = 48, 4


@pytest.fixture
def still():
    return torch.rand(1, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0)) - 0.5


@pytest.fixture
def warped(still):
    flow = torch.tensor([1.5, -0.5]).view(1, 2, 1, 1).expand(1, 2, SIZE, SIZE)
    return reference_video(still, flow, FRAMES)


def test_a_blurred_video_of_the_warped_still_becomes_sharp(warped):
    frames = torch.lerp(warped, warped.mean(dim=(2, 3), keepdim=True), 0.1)
    before = frames.clone()
    restored = restore_detail(frames, warped)
    assert (restored - warped).abs().mean() < 0.05 * (frames - warped).abs().mean()
    torch.testing.assert_close(restore_detail(frames, warped, 0.5), (frames + restored) / 2, atol=1e-6, rtol=0)
    assert torch.equal(restore_detail(frames, warped, 0.0), frames) and torch.equal(frames, before)
    assert torch.equal(restore_detail(warped, warped), warped)


def test_where_the_video_shows_something_else_it_stays(warped):
    frames = warped.clone()
    frames[..., SIZE // 2 :] += 0.9
    restored = restore_detail(frames, warped)
    other, same = slice(SIZE // 2 + 3, None), slice(0, SIZE // 2 - 3)
    torch.testing.assert_close(restored[..., other], frames[..., other], atol=1e-4, rtol=0)
    torch.testing.assert_close(restored[..., same], warped[..., same], atol=1e-5, rtol=0)


def test_less_of_the_still_the_more_they_differ(warped):
    shares = [
        float((restore_detail(warped + shift, warped) - warped - shift).abs().mean() / shift)
        for shift in (0.02, 0.05, 0.1, 0.2, 0.4)
    ]
    assert shares == sorted(shares, reverse=True) and shares[0] > 0.95 and shares[-1] < 0.02


def test_latents_count_by_how_far_they_are_apart():
    reference = torch.randn(2, 16, 3, 4, generator=torch.Generator().manual_seed(1))
    assert torch.equal(nearness(reference, reference), torch.ones(2, 1, 3, 4))
    one = reference + torch.tensor([1.0, -1.0]).repeat(8).view(1, 16, 1, 1)  # a standard deviation in each channel
    torch.testing.assert_close(nearness(one, reference), torch.full((2, 1, 3, 4), math.exp(-1)), atol=1e-5, rtol=0)
