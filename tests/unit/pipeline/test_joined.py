"""Segments joined as pictures: the timeline's frames, each pass from its own segment, things at their own clock."""

import pytest
import torch

from driftfield.flow_tools.arrows import Arrow
from driftfield.flow_tools.motion import Motion
from driftfield.flow_tools.objects import Object
from driftfield.sampling.joins import CROSSFADE, JOINS, LOOP, OFFSET_WINDOWS, PING_PONG, RESTART, longest, plan_joins

HEIGHT, WIDTH, SEGMENT = 64, 64, 13
ROWS, COLUMNS = slice(24, 40), slice(8, 24)


@pytest.fixture(scope="module")
def joined(comfy_base):
    import driftfield.pipeline.joined

    return driftfield.pipeline.joined


@pytest.fixture(scope="module")
def warped(comfy_base):
    import driftfield.pipeline.warped

    return driftfield.pipeline.warped


def numbered(segments):
    """Each frame is one grey: segment + frame / 100."""
    values = torch.tensor([k / 10 + i / 100 - 0.5 for k in range(segments) for i in range(SEGMENT)])
    return values.view(-1, 1, 1, 1).expand(-1, 3, HEIGHT, WIDTH).clone()


@pytest.mark.parametrize("passes", [1, 2, 3, 5])
@pytest.mark.parametrize("segment", [13, 25, 81])
@pytest.mark.parametrize("joins", [RESTART, CROSSFADE, LOOP])
def test_the_longest_video_is_what_so_many_passes_give(joins, segment, passes):
    most = longest(joins, segment=segment, passes=passes)
    timeline = plan_joins(
        joins, segment=segment, total_frames=most, change=torch.ones(4, 4), generator=torch.Generator(), passes=passes
    )
    assert len(timeline) == most and int(timeline.number.max()) == passes - 1
    offsets = timeline.time_offset.amax(dim=(1, 2))
    reached = timeline.frame + offsets[timeline.number]
    assert reached.max() <= segment - 1
    assert (
        timeline.frame[1, -1]
        + (JOINS[joins].max_time_offset > 0 and passes > 1) * int(JOINS[joins].max_time_offset * segment)
        == segment - 1
    )


def test_restart_is_one_after_the_other(joined):
    pictures = numbered(3)
    assert torch.equal(joined.join_segments(pictures, segments=3, total_frames=0, joins=RESTART), pictures)
    assert torch.equal(joined.join_segments(pictures, segments=3, total_frames=20, joins=RESTART), pictures[:20])


@pytest.mark.parametrize("joins", [CROSSFADE, LOOP])
def test_a_fade_goes_from_a_segment_into_the_next(joined, joins):
    pictures = numbered(3)
    found = joined.join_segments(pictures, segments=3, total_frames=0, joins=joins)
    assert len(found) == longest(joins, segment=SEGMENT, passes=3)
    overlap = int(JOINS[joins].overlap * SEGMENT)
    assert torch.equal(found[: SEGMENT - overlap], pictures[: SEGMENT - overlap])
    grey = found.mean(dim=(1, 2, 3))
    assert (found.flatten(1).amax(1) <= 0.3).all()
    weight = (torch.arange(overlap) + 1) / (overlap + 1)
    if joins == LOOP:  # without time offsets the two frames are known
        older, newer = pictures[SEGMENT - overlap : SEGMENT, 0, 0, 0], pictures[SEGMENT : SEGMENT + overlap, 0, 0, 0]
        torch.testing.assert_close(grey[SEGMENT - overlap : SEGMENT], older * (1 - weight) + newer * weight)
    assert grey[-1] > -0.5 + 0.2  # the last segment's


def test_ping_pong_is_the_first_segment_there_and_back(joined):
    found = joined.join_segments(numbered(1), segments=1, total_frames=100, joins=PING_PONG)
    grey = found.mean(dim=(1, 2, 3))
    assert len(found) == 100 and grey.min() >= -0.5 - 1e-6 and grey.max() <= -0.5 + 0.12 + 1e-6
    assert grey.diff().abs().max() < 0.0101


def test_sizes_that_do_not_divide_by_the_latents(joined):
    pictures = torch.rand(2 * SEGMENT, 3, 50, 70, generator=torch.Generator().manual_seed(0)) * 2 - 1
    found = joined.join_segments(pictures, segments=2, total_frames=0, joins=CROSSFADE)
    assert found.shape[1:] == (3, 50, 70)
    assert torch.equal(found[:8], pictures[:8])


def background():
    ramp = torch.linspace(-0.5, 0.2, WIDTH).expand(1, 3, HEIGHT, WIDTH).clone()
    ramp[:, 2] *= -1
    return ramp


def still():
    image = background()
    image[0, :, ROWS, COLUMNS] = torch.tensor([0.9, -0.8, -0.8])[:, None, None]
    return image


def motion(**more):
    mask = torch.zeros(1, 1, HEIGHT, WIDTH)
    mask[0, 0, ROWS, COLUMNS] = 1
    arrow = Arrow("a", ((16 / WIDTH, 0.5), (48 / WIDTH, 0.5)), **more)
    return Motion(torch.zeros(1, 2, HEIGHT, WIDTH), SEGMENT, objects=(Object(mask, (arrow,)),))


def reds(frames):
    """px of the thing in each frame, and its column."""
    share = ((frames[:, 0] - frames[:, 1]) / 1.7).clamp(0, 1)
    return share.sum((1, 2)), (share.sum(1) * (torch.arange(WIDTH) + 0.5)).sum(1) / share.sum((1, 2))


@pytest.mark.parametrize("joins", [CROSSFADE, LOOP])
def test_a_thing_is_seen_once_and_goes_on(joined, warped, joins):
    video, _, _ = warped.warp_image(still(), motion(), frames=SEGMENT)
    pictures = torch.cat([video] * 3)
    faded = joined.join_segments(pictures, segments=3, total_frames=0, joins=joins)
    found = joined.join_segments(pictures, segments=3, total_frames=0, joins=joins, image=still(), motion=motion())
    assert found.shape == faded.shape
    area, column = reds(found)
    torch.testing.assert_close(area, area[:1].expand_as(area), rtol=0.05, atol=0)
    assert column.diff().abs().max() < 1.6 * 32 / (SEGMENT - 1)  # it never jumps
    widths = [(frame[0] - frame[1] > 0.4).any(0).sum().item() for frame in found]
    assert max(widths) <= 18
    twice = [(frame[0] - frame[1] > 0.4).any(0).sum().item() for frame in faded]
    assert max(twice) > 20  # without it there are two of them
    assert (found - faded)[:, :, :8].abs().max() < 1e-5  # and all else stays


def test_without_things_the_flow_changes_nothing(joined):
    pictures = numbered(2)
    flow = Motion(torch.ones(1, 2, HEIGHT, WIDTH), SEGMENT)
    one = joined.join_segments(pictures, segments=2, total_frames=0, joins=CROSSFADE)
    other = joined.join_segments(pictures, segments=2, total_frames=0, joins=CROSSFADE, image=still(), motion=flow)
    assert torch.equal(one, other)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"segments": 4}, "segments: got 4 for 26 images, allowed a number that divides them"),
        ({"segments": 26}, "segments: got 26 for 26 images"),
        ({"joins": OFFSET_WINDOWS}, "joins: got 'offset windows', allowed restart, crossfade, loop, ping-pong"),
        ({"total_frames": 27}, "total_frames: got 27, allowed up to 26 with 2 segments of 13 frames and joins restart"),
        ({"image": still()}, "image, flow: got one of them, allowed both or none"),
    ],
)
def test_counts_that_do_not_go_together_are_refused(joined, options, said):
    with pytest.raises(ValueError, match=said):
        joined.join_segments(numbered(2), **({"segments": 2, "total_frames": 0, "joins": RESTART} | options))
