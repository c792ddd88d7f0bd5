"""Detail of the still on decoded frames: whole where they agree, none where they do not."""

import pytest
import torch

from driftfield.flow_tools.detail import carried_detail, restore_detail
from driftfield.flow_tools.warp import reference_video

SIZE, FRAMES = 48, 4


@pytest.fixture
def still():
    return torch.rand(1, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0)) - 0.5


@pytest.fixture
def decoded(still):
    return torch.nn.functional.avg_pool2d(still, 5, stride=1, padding=2)


@pytest.fixture
def flow():
    return torch.tensor([1.5, -0.5]).view(1, 2, 1, 1).expand(1, 2, SIZE, SIZE)


@pytest.mark.parametrize("loop", [False, True])
def test_a_video_that_shows_the_decoded_still_carried_along_becomes_the_still_carried_along(still, decoded, flow, loop):
    frames = reference_video(decoded, flow, FRAMES, loop=loop)
    before = frames.clone()
    carried = carried_detail(still, decoded, flow, FRAMES, loop=loop)
    restored = restore_detail(frames, carried)
    torch.testing.assert_close(restored, reference_video(still, flow, FRAMES, loop=loop), atol=1e-5, rtol=0)
    torch.testing.assert_close(restore_detail(frames, carried, 0.5), (frames + restored) / 2, atol=1e-5, rtol=0)
    assert torch.equal(restore_detail(frames, carried, 0.0), frames) and torch.equal(frames, before)


def test_where_the_video_shows_something_else_it_stays(still, decoded, flow):
    frames = reference_video(decoded, flow, FRAMES)
    frames[..., SIZE // 2 :] += 0.9
    restored = restore_detail(frames, carried_detail(still, decoded, flow, FRAMES))
    other = slice(SIZE // 2 + 3, None)
    torch.testing.assert_close(restored[..., other], frames[..., other], atol=1e-4, rtol=0)
    same = slice(0, SIZE // 2 - 3)
    expected = reference_video(still, flow, FRAMES)
    torch.testing.assert_close(restored[..., same], expected[..., same], atol=1e-5, rtol=0)


def test_less_detail_the_more_they_differ(still, decoded):
    flow = torch.zeros(1, 2, SIZE, SIZE)
    carried = carried_detail(still, decoded, flow, 2)
    added = [
        (restore_detail(carried[:, 3:] + shift, carried) - carried[:, 3:] - shift).abs().mean().item()
        for shift in (0.0, 0.05, 0.1, 0.2, 0.4)
    ]
    assert added == sorted(added, reverse=True) and added[-1] < 0.01 * added[0]
