"""The timeline of a long video: every frame once, passes that fade into each other, and none a copy of another."""

import pytest
import torch

from driftfield.sampling.joins import (
    CROSSFADE,
    JOINS,
    LOOP,
    OFFSET_WINDOWS,
    PING_PONG,
    RESTART,
    agreement,
    keep_contrast,
    local_moments,
    plan_joins,
)
from driftfield.sampling.joins import random_time_offsets as drawn

SEGMENT = 25


def plan(joins, total_frames=125, segment=SEGMENT, change=None, seed=0):
    change = torch.ones(16, 16) if change is None else change
    generator = torch.Generator().manual_seed(seed)
    return plan_joins(joins, segment=segment, total_frames=total_frames, change=change, generator=generator)


@pytest.mark.parametrize("joins", JOINS)
@pytest.mark.parametrize("segment", [2, 5, 14, 25])
@pytest.mark.parametrize("total", [1, 2, 13, 26, 49, 125, 301])
@pytest.mark.parametrize("shifted", [False, True])
def test_windows_give_every_later_frame_once(joins, segment, total, shifted):
    timeline = plan(joins, total, segment)
    assert len(timeline) == (-(-total // segment) * segment if joins == RESTART else total)
    windows = timeline.windows(shifted)
    given = [frame for start, first in windows for frame in range(first, start + segment)]
    assert given == list(range(timeline.kept, len(timeline)))
    assert all(0 <= start <= first < start + segment <= max(len(timeline), segment) for start, first in windows)
    assert len(windows) <= -(-(len(timeline) - timeline.kept) // segment) + 1


@pytest.mark.parametrize("joins", JOINS)
@pytest.mark.parametrize("segment", [2, 5, 14, 25])
def test_the_first_segment_s_own_frames_come_first_and_all_frames_exist(joins, segment):
    timeline = plan(joins, 6 * segment + 1, segment)
    values = torch.arange(float(segment)).view(-1, 1, 1, 1).expand(-1, 3, 16, 16)
    video = timeline.blend(values)
    assert torch.equal(video[: timeline.kept], values[: timeline.kept])
    assert timeline.kept >= segment / 2
    assert video.min() >= 0 and video.max() <= segment - 1


@pytest.mark.parametrize("joins", [RESTART, OFFSET_WINDOWS])
def test_without_fading_it_is_the_first_segment_again_and_again(joins):
    values = torch.randn(SEGMENT, 2, 4, 4, generator=torch.Generator().manual_seed(1))
    assert torch.equal(plan(joins).blend(values), values.repeat(5, 1, 1, 1))


def test_loop_is_periodic_and_crossfade_is_not():
    values = torch.randn(SEGMENT, 2, 16, 16, generator=torch.Generator().manual_seed(1))
    period = SEGMENT - SEGMENT // 2
    loop, crossfade = plan(LOOP).blend(values), plan(CROSSFADE).blend(values)
    torch.testing.assert_close(loop[period:-period], loop[2 * period :])
    gaps = torch.cdist(crossfade.flatten(1)[SEGMENT:], crossfade.flatten(1)) / crossfade[0].numel() ** 0.5
    gaps[torch.arange(100), torch.arange(SEGMENT, 125)] = 9.0
    assert gaps.min() > 0.5  # of 1.4 between frames of values that have nothing in common


def test_ping_pong_goes_there_and_back_at_the_same_speed_but_for_soft_turns():
    timeline = plan(PING_PONG, 301)
    position = timeline.mean(torch.arange(float(SEGMENT)))
    speed, slowing = position.diff(), SEGMENT // 8
    half = SEGMENT - 1 + 2 * slowing
    torch.testing.assert_close(position[slowing + 2 * half :], position[slowing : -2 * half])
    torch.testing.assert_close(position[slowing + half : -half], SEGMENT - 1 - position[slowing : -2 * half])
    assert position.min() == 0 and position.max() == SEGMENT - 1
    assert speed.diff().abs().max() <= 1 / (2 * slowing) + 1e-4, "no sudden turn"
    steady = speed.abs().sub(1).abs() < 1e-4
    assert steady.float().mean() > 0.55 and torch.equal(
        steady, (timeline.weight[1:] == 0) & (timeline.weight[:-1] == 0)
    )


def test_two_unlike_pictures_keep_their_contrast_and_like_ones_stay_as_they_are():
    older, newer = torch.randn(2, 1, 4, 64, 64, generator=torch.Generator().manual_seed(1))
    for part in (0.2, 0.5, 0.9):
        weight = torch.full((1, 1, 1, 1), part)
        mixed = older * (1 - part) + newer * part
        kept = keep_contrast(mixed, older, newer, weight, grid=(64, 64))
        assert mixed.var() < 0.85 and kept.var() == pytest.approx(1, abs=0.15)
        torch.testing.assert_close(kept.mean(), mixed.mean(), atol=0.01, rtol=0)
        torch.testing.assert_close(keep_contrast(older, older, older, weight, grid=(64, 64)), older)
        half = torch.cat([older[..., :32], mixed[..., 32:]], dim=-1)
        other = torch.cat([older[..., :32], newer[..., 32:]], dim=-1)
        there = keep_contrast(half, older, other, weight, grid=(64, 64))
        assert torch.equal(there[..., :32], half[..., :32]), "where they agree"
        coarse = keep_contrast(mixed, older, newer, weight, grid=(8, 16))
        assert coarse.var() == pytest.approx(1, abs=0.03), "pictures, over the places of the latents"


def test_contrast_is_that_of_the_places_around():
    values = torch.randn(1, 2, 12, 10, generator=torch.Generator().manual_seed(1))
    mean, variance = local_moments(values, (12, 10))
    torch.testing.assert_close(mean[..., 5, 6], values[..., 4:7, 5:8].mean(dim=(2, 3)))
    around = values[..., 4:7, 5:8] - mean[..., 5:6, 6:7]
    torch.testing.assert_close(variance[..., 5, 6], around.square().mean(dim=(1, 2, 3))[None])
    cells = values.repeat_interleave(4, -2).repeat_interleave(4, -1)
    torch.testing.assert_close(local_moments(cells, (12, 10)), (mean, variance))


def test_flat_pictures_fade_as_they_are():
    timeline = plan(CROSSFADE)
    values = torch.arange(float(SEGMENT)).view(-1, 1, 1, 1).expand(-1, 3, 16, 16).half()
    fading = timeline.blend(values)[timeline.kept :]
    assert fading.isfinite().all() and fading.dtype == torch.half and fading.max() <= SEGMENT


@pytest.mark.parametrize("joins", [CROSSFADE, LOOP])
def test_a_steady_change_never_jumps(joins):
    """A gradient that moves by 1 each frame goes on to; across joins it sinks back by no more than a fade's share."""
    values = torch.arange(float(SEGMENT)).view(-1, 1, 1, 1).expand(-1, 1, 16, 16)
    timeline = plan(joins)
    steps = timeline.blend(values).mean(dim=(1, 2, 3)).diff()
    overlap = int((timeline.weight[:SEGMENT] > 0).sum())
    assert steps.abs().max() <= SEGMENT / overlap
    assert plan(RESTART).blend(values).mean(dim=(1, 2, 3)).diff().abs().max() == SEGMENT - 1


def test_places_of_a_pass_are_at_times_that_share_the_change_equally():
    change = torch.zeros(32, 32)
    change[10:20, 4:14] = torch.rand(10, 10, generator=torch.Generator().manual_seed(2))
    field = drawn(change, 4, torch.Generator().manual_seed(3))
    fractions = torch.stack([change[field == k].sum() for k in range(5)]) / change.sum()
    assert fractions.tolist() == pytest.approx([0.2] * 5, abs=0.03)
    assert field[10:20, 4:14].diff(dim=0).abs().max() <= 2, "smooth"
    assert agreement(field, [field], change) == pytest.approx(1)
    assert agreement(field, [field * 0], change) == pytest.approx(0.2, abs=0.03)


def test_conditioning_of_another_resolution_follows_the_same_times():
    timeline = plan(CROSSFADE, change=torch.ones(8, 8))
    values = torch.arange(float(SEGMENT)).view(-1, 1, 1, 1).expand(-1, 1, 8, 8)
    one = timeline.weight == 0  # those that are blended are also given contrast, over so many of their own pixels
    fine, small = timeline.blend(values)[one], timeline.blend(values[..., :4, :4])[one]
    assert torch.equal(small, fine[..., ::2, ::2]) and not torch.equal(fine, fine[..., :1, :1].expand_as(fine))
    pictures = timeline.blend(values.repeat(1, 1, 2, 2))[one]  # their times change without an edge
    smooth = torch.nn.functional.interpolate(fine, scale_factor=2, mode="bilinear", align_corners=False)
    torch.testing.assert_close(pictures, smooth)


def test_the_larger_of_two_levels_survives_infinity():
    timeline = plan(CROSSFADE)
    levels = torch.full((SEGMENT, 1, 16, 16), torch.inf)
    levels[:5] = 1.0
    merged = timeline.most(levels)
    assert not merged.isnan().any()
    assert (merged[:5] == 1).all() and (merged[timeline.weight > 0.01].amax(dim=(1, 2, 3)) == torch.inf).all()


def test_numbers_by_frame_are_blended_without_places():
    scale = torch.linspace(1, 3, SEGMENT)
    blended = plan(CROSSFADE).mean(scale)
    assert torch.equal(blended[:17], scale[:17]) and 1 <= blended.min() and blended.max() <= 3


def test_a_seed_draws_the_same_times():
    first, again, other = (plan(CROSSFADE, seed=seed).time_offset for seed in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert (first[0] == 0).all()


@pytest.mark.parametrize("changes, name", [({"joins": "glue"}, "joins"), ({"total_frames": 0}, "total_frames")])
def test_what_is_out_of_range_is_refused_by_name(changes, name):
    with pytest.raises(ValueError, match=f"{name}: got"):
        plan(**{"joins": RESTART, **changes})
