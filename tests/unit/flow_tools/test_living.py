import math
from dataclasses import replace

import pytest
import torch

from driftfield.flow_tools.flowing import BORDER, contrast_of, flowing, lone, mean_around, with_contrast
from driftfield.flow_tools.living import (
    CALM_WATER,
    CLOUDS,
    KINDS,
    LEAVES,
    RUNNING_WATER,
    Living,
    life,
    plates,
    soft,
    with_life,
)
from driftfield.flow_tools.motion import Motion
from driftfield.flow_tools.warp import backward_warp

HEIGHT, WIDTH, FRAMES = 72, 96, 12


def texture(seed=0, height=HEIGHT, width=WIDTH):
    noise = torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(seed))
    return (mean_around(noise, 3.5 / width) * 2).clamp(-1, 1)


def still_flow(x=0.0, y=0.0):
    return torch.tensor([x, y]).view(1, 2, 1, 1).expand(1, 2, HEIGHT, WIDTH).clone()


def half():
    region = torch.zeros(1, 1, HEIGHT, WIDTH)
    region[..., 30:, :] = 1
    return region


def whole():
    return torch.ones(1, 1, HEIGHT, WIDTH)


def far_from_border(x):
    edge = round(BORDER * WIDTH) + 16
    return x[..., edge:-edge, edge:-edge]


def test_the_mean_of_a_square_is_that_of_what_lies_in_the_picture():
    values = torch.rand(2, 3, 20, 30)
    found = mean_around(values, 5 / 30)
    for i, j in ((0, 0), (10, 29), (19, 14)):
        cut = values[..., max(i - 2, 0) : i + 3, max(j - 2, 0) : j + 3]
        torch.testing.assert_close(found[..., i, j], cut.mean((-2, -1)))


@pytest.mark.parametrize("resets", [1, 2, 3])
def test_a_texture_at_rest_stays(resets):
    still = texture()
    video = flowing(still, whole(), still_flow().expand(FRAMES, -1, -1, -1), resets=resets)
    torch.testing.assert_close(video, still.expand(FRAMES, -1, -1, -1), atol=2e-3, rtol=0)
    assert torch.equal(video[0], still[0])


def test_each_copy_is_moved_about_its_own_moment():
    """Under a constant flow: copies of the still shifted by the way from their moments, faded as cos²."""
    still, flow = texture(), still_flow(1.0).expand(FRAMES, -1, -1, -1)
    video = flowing(still, whole(), flow, resets=1)
    for t in range(1, FRAMES):
        if t == FRAMES // 2:
            torch.testing.assert_close(far_from_border(video[t]), far_from_border(still[0]), atol=2e-3, rtol=0)
            continue
        first, second = (0, 1) if t < FRAMES // 2 else (1, 2)
        shifted = [torch.roll(still, t - moment * FRAMES // 2, -1) for moment in (first, second)]
        weight = torch.cos(torch.tensor(torch.pi * (t - first * FRAMES / 2) / FRAMES)) ** 2
        shares = [weight * torch.ones(1, 1, 1, 1), (1 - weight) * torch.ones(1, 1, 1, 1)]
        mixed = shares[0] * shifted[0] + shares[1] * shifted[1]
        aim = sum(share * contrast_of(copy) for share, copy in zip(shares, shifted, strict=True))
        expected = with_contrast(mixed, aim).clamp(-1, 1)
        torch.testing.assert_close(far_from_border(video[t]), far_from_border(expected[0]), atol=0.01, rtol=0)


def test_the_last_step_leads_to_the_still():
    flow = still_flow(1.0).expand(FRAMES, -1, -1, -1)
    video = flowing(texture(), whole(), flow, resets=1)
    steps = torch.cat([video, video[:1]]).diff(dim=0).abs().mean((1, 2, 3))
    assert steps[-1] < 1.1 * steps[:-1].mean()


def test_a_blend_keeps_the_contrast_of_its_parts_and_leaves_alike_ones_alone():
    one, other = texture(1), texture(2)
    kept = with_contrast((one + other) / 2, (contrast_of(one) + contrast_of(other)) / 2)
    assert kept.std() == pytest.approx(float((one.std() + other.std()) / 2), rel=0.15)
    assert ((one + other) / 2).std() < 0.8 * one.std()
    torch.testing.assert_close(with_contrast(one, contrast_of(one)), one)


def cloud():
    away = torch.hypot(torch.arange(WIDTH) - 48.0, torch.arange(HEIGHT)[:, None] - 36.0)
    return (0.8 * (away < 8) - 0.4).expand(1, 3, -1, -1)


def test_what_stands_alone_is_told_from_a_texture():
    found, even = (lone(contrast_of(still), whole()) for still in (cloud(), texture()))
    assert found[..., 30:42, 42:54].min() > 0.5 and even.max() < 0.2


def test_what_stands_alone_hardly_shows_twice():
    """In mid-fade: how much of the picture lies between the cloud's brightness and the sky's."""
    flow = still_flow(2.5).expand(FRAMES, -1, -1, -1)
    apart, nearer = (flowing(cloud(), whole(), flow, resets=1, together=share)[FRAMES // 4] for share in (0.0, 0.7))
    assert (nearer.abs() < 0.3).sum() < 0.7 * (apart.abs() < 0.3).sum()


def test_nothing_from_outside_of_the_region_flows_in():
    still = texture()
    still[..., :30, :] = 1.0  # white land
    water = still[..., 30:, :].clone()
    flow = still_flow(0.0, 1.5).expand(FRAMES, -1, -1, -1) * half()
    video = flowing(still, half(), flow, resets=1)
    assert video[1:, :, 32:].amax() <= water.amax() + 0.1
    assert (video[:, :, 32:50].mean((1, 2, 3)) < still[..., 32:50, :].mean() + 0.1).all()


def test_bicubic_sampling_keeps_pixels_and_knows_the_border():
    still = texture()
    by_two = backward_warp(still, still_flow(2.0), mode="bicubic", outside="zeros")
    torch.testing.assert_close(by_two, torch.roll(still, -2, -1) * (torch.arange(WIDTH) < 94))
    edge = backward_warp(still, still_flow(500.0), mode="bicubic")
    torch.testing.assert_close(edge, still[..., -1:].expand_as(still))


def test_a_soft_edge_lies_inside():
    edge = soft(half())
    assert not edge[..., :30, :].any() and (edge[..., 40:, :] == 1).all() and 0 < edge[0, 0, 31, 5] < 1
    assert (soft(whole()) == 1).all()


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_region_lives_alone_and_comes_again(kind):
    still = texture()
    colours, share = plates(still, [Living(half(), kind, 3)], still_flow(), FRAMES)
    frames = colours + still * (1 - share)
    torch.testing.assert_close(frames[0], still[0], atol=1e-6, rtol=0)
    assert torch.equal(frames[:, :, :30], still.expand(FRAMES, -1, -1, -1)[:, :, :30])
    assert (frames[6, :, 45:] - still[0, :, 45:]).abs().mean() > 0.01
    steps = torch.cat([frames, frames[:1]]).diff(dim=0).abs().mean((1, 2, 3))
    assert steps[-1] < 1.5 * steps[:-1].mean()


def test_another_seed_lives_otherwise_and_the_same_alike():
    still = texture()
    first, again, other = (
        plates(still, [Living(half(), RUNNING_WATER, seed)], still_flow(), FRAMES)[0] for seed in (3, 3, 4)
    )
    assert torch.equal(first, again) and (first[6] - other[6]).abs().mean() > 0.01


def test_every_size_lives_alike():
    small, large = (
        life(Living(half(), CLOUDS, 3), torch.zeros(1, 2, scale * HEIGHT, scale * WIDTH), FRAMES).flow
        for scale in (1, 3)
    )
    torch.testing.assert_close(large[..., 1::3, 1::3][..., 20:, :] / 3, small[..., 20:, :], atol=0.05, rtol=0)


def test_automatic_is_the_kinds_own_and_fast_water_begins_again_sooner():
    named = KINDS[CALM_WATER]
    given = Living(whole(), CALM_WATER, 5, named.amplitude, named.size, named.period, named.reset)
    automatic = replace(given, amplitude=None, size=None, period=None, reset=None)
    assert torch.equal(life(given, still_flow(), 25).flow, life(automatic, still_flow(), 25).flow)
    scale = WIDTH / 256
    slow, fast = (life(Living(whole(), RUNNING_WATER), still_flow(v * scale), 25).resets for v in (1.0, 2.0))
    assert (slow, fast) == (1, 2)
    assert life(Living(whole(), RUNNING_WATER, reset=5), still_flow(), 25).resets == 5


def test_without_amplitude_it_only_flows():
    own = life(Living(whole(), RUNNING_WATER, amplitude=0.0), still_flow(0.5), FRAMES)
    torch.testing.assert_close(own.flow, still_flow(0.5).expand(FRAMES, -1, -1, -1))


def across_over_along(kind, x, y, *, within=(1.0, 0.0)):
    """Of what an eddy does, root mean square; along `within` where nothing flows."""
    own = life(Living(whole(), kind, 3), still_flow(x, y), FRAMES)
    eddies = far_from_border(own.flow - still_flow(x, y))
    speed = math.hypot(x, y)
    ahead = (x / speed, y / speed) if speed else within
    along, across = (eddies[:, 0] * a + eddies[:, 1] * b for a, b in (ahead, (-ahead[1], ahead[0])))
    return float((across.square().mean() / along.square().mean()).sqrt())


def test_falls_are_not_thrown_aside_by_their_own_eddies():
    """As fast as its eddies, water has them along its way; slower, rounder; other kinds as ever."""
    fast = KINDS[RUNNING_WATER].amplitude * WIDTH / 256
    down, aslant = across_over_along(RUNNING_WATER, 0.0, fast), across_over_along(RUNNING_WATER, fast, -fast)
    assert max(down, aslant) < 0.75
    assert down < across_over_along(RUNNING_WATER, 0.0, fast / 2) < 0.95 < across_over_along(RUNNING_WATER, 0.0, 0.0)
    assert across_over_along(CALM_WATER, 0.0, fast) == pytest.approx(1 / across_over_along(CALM_WATER, 0.0, 0.0))


def test_a_flow_that_goes_on_outside_is_not_held_at_the_edge():
    living = Living(half(), RUNNING_WATER, amplitude=0.0)
    everywhere, inside = life(living, still_flow(1.0), FRAMES), life(living, still_flow(1.0) * half(), FRAMES)
    assert everywhere.goes_on == 1 and inside.goes_on == 0
    assert (everywhere.flow[:, 0] == 1).all() and (inside.flow[:, 0, 30] < 0.5).all()


def test_leaves_sway_where_they_stand():
    own = life(Living(half(), LEAVES, 1), still_flow(2.0), FRAMES)
    torch.testing.assert_close(own.flow.sum(0), torch.zeros(2, HEIGHT, WIDTH), atol=1e-5, rtol=0)
    assert not own.flow[:, :, :30].any()


def test_what_is_seen_to_move_is_the_flow_and_what_lives_in_it():
    field, living = still_flow(0.5), Living(half(), RUNNING_WATER, 3)
    seen = with_life(field, [living], FRAMES)
    assert seen.shape == (FRAMES - 1, 2, HEIGHT, WIDTH)
    torch.testing.assert_close(seen[:, :, :30], field.expand(FRAMES - 1, -1, -1, -1)[:, :, :30])
    torch.testing.assert_close(seen[..., 40:, :], life(living, field, FRAMES).flow[: FRAMES - 1, :, 40:])
    motion = Motion(field, FRAMES, living=(living,))
    assert torch.equal(motion.flow(), seen) and torch.equal(motion.flow(wide=True), field)


def test_a_flow_of_every_frame_carries_what_lives():
    field = torch.cat([still_flow(0.2 * t) for t in range(FRAMES - 1)])
    own = life(Living(whole(), RUNNING_WATER, amplitude=0.0), field, FRAMES)
    torch.testing.assert_close(own.flow, torch.cat([field, field[-1:]]))


def test_later_regions_lie_above():
    still = texture()
    one, two = Living(whole(), RUNNING_WATER, 1), Living(half(), CLOUDS, 2)
    colours, share = plates(still, [one, two], still_flow(), FRAMES)
    assert (share == 1).all()
    below, above = (plates(still, [each], still_flow(), FRAMES)[0] for each in (one, two))
    torch.testing.assert_close(colours[..., 45:, :], above[..., 45:, :])
    torch.testing.assert_close(colours[..., :30, :], below[..., :30, :])


def test_an_empty_region_shows_nothing():
    colours, share = plates(texture(), [Living(whole() * 0, CALM_WATER)], still_flow(1.0), FRAMES)
    assert not colours.any() and not share.any()
