import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from driftfield.flow_tools.beyond import continued, margin_of
from driftfield.flow_tools.convention import flip_flow
from driftfield.flow_tools.warp import (
    accumulate_backward,
    accumulate_forward,
    backward_warp,
    forward_splat,
    mask_video,
    reference_video,
)

SIZE = 64


def uniform(x, y, count=1, height=SIZE, width=SIZE):
    return torch.tensor([x, y], dtype=torch.float32).view(1, 2, 1, 1).expand(count, 2, height, width)


def grid(size=SIZE):
    axis = torch.arange(size, dtype=torch.float32) - (size - 1) / 2
    return torch.stack(torch.meshgrid(axis, axis, indexing="xy"))[None]


def rotated(positions, angle):
    x, y = positions.unbind(1)
    c, s = math.cos(angle), math.sin(angle)
    return torch.stack([c * x - s * y, s * x + c * y], dim=1)


def rotation(angle, size=SIZE):
    """The flow of one step of a rotation about the middle: exact, and linear in the position."""
    return rotated(grid(size), angle) - grid(size)


def smooth(seed=0, count=1, amplitude=1.5, size=SIZE):
    field = torch.randn(count, 2, 5, 5, generator=torch.Generator().manual_seed(seed))
    return amplitude * F.interpolate(field, (size, size), mode="bicubic", align_corners=True)


def picture(seed=0, channels=3, size=SIZE):
    return torch.rand(1, channels, size, size, generator=torch.Generator().manual_seed(seed))


def middle(x, margin=16):
    return x[..., margin:-margin, margin:-margin]


def test_warp_by_whole_px_is_exact():
    image = picture()
    warped = backward_warp(image, uniform(3, -2))
    assert torch.equal(warped[..., 2:, :-3], image[..., :-2, 3:])
    assert torch.equal(warped[..., 2:, -1], warped[..., 2:, -3])  # the border is repeated


@pytest.mark.parametrize("size", [(48, 100), (1, 7), (33, 1)])
def test_warp_by_nothing_returns_the_image(size):
    image = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(backward_warp(image, torch.zeros(2, 2, *size)), image, atol=1e-5, rtol=0)


def test_warp_between_px_is_bilinear_and_one_image_serves_many_fields():
    image = picture()
    warped = backward_warp(image, torch.cat([uniform(0.25, 0), uniform(0, 0.5)]))
    torch.testing.assert_close(warped[:1, :, :, :-1], 0.75 * image[..., :-1] + 0.25 * image[..., 1:])
    torch.testing.assert_close(warped[1:, :, :-1], (image[..., :-1, :] + image[..., 1:, :]) / 2)


def test_warp_keeps_half_precision():
    image = picture().half()
    warped = backward_warp(image, uniform(0, 0))
    assert warped.dtype == torch.float16 and torch.equal(warped, image)


def test_mirrored_image_and_flow_give_the_mirrored_result():
    image, flow = picture(), smooth()
    torch.testing.assert_close(
        backward_warp(image.flip(-1), flip_flow(flow)).flip(-1), backward_warp(image, flow), atol=1e-5, rtol=0
    )


@settings(max_examples=20, deadline=None)
@given(st.floats(-4, 4, width=16), st.floats(-4, 4, width=16), st.integers(2, 9), st.booleans())
def test_a_uniform_translation_accumulates_exactly(x, y, frames, static):
    flow = uniform(x, y, 1 if static else frames - 1)
    steps = torch.arange(frames).view(-1, 1, 1, 1)
    torch.testing.assert_close(accumulate_forward(flow, frames), uniform(x, y) * steps)
    torch.testing.assert_close(accumulate_backward(flow, frames), -uniform(x, y) * steps)


@pytest.mark.parametrize("count", [1, 12])
def test_a_rotation_composes_to_the_analytic_one(count):
    frames, angle = 13, math.radians(2.5)
    flow = rotation(angle).expand(count, -1, -1, -1)
    forward, backward = accumulate_forward(flow, frames), accumulate_backward(flow, frames)
    for t in range(frames):
        expected = rotated(grid(), t * angle) - grid()
        torch.testing.assert_close(middle(forward[t : t + 1]), middle(expected), atol=2e-4, rtol=0)
        expected = rotated(grid(), -t * angle) - grid()
        torch.testing.assert_close(middle(backward[t : t + 1]), middle(expected), atol=2e-4, rtol=0)


@pytest.mark.parametrize("count", [1, 8])
def test_forward_then_backward_returns_to_the_start(count):
    frames = 9
    flow = smooth(count=count, amplitude=0.3)
    forward, backward = accumulate_forward(flow, frames), accumulate_backward(flow, frames)
    there_and_back = forward + backward_warp(backward, forward)
    assert middle(there_and_back).abs().mean() < 0.005 and middle(there_and_back).abs().max() < 0.1
    assert not forward[0].any() and not backward[0].any()


def test_each_step_back_of_a_static_field_is_undone_by_a_step_forward():
    flow = smooth(amplitude=1.0)
    backward = accumulate_backward(flow, 9)
    again = backward[1:] + backward_warp(flow.expand(8, -1, -1, -1), backward[1:])
    assert middle(again - backward[:-1]).abs().max() < 1e-3


def test_time_varying_fields_are_applied_in_their_order():
    flow = torch.cat([rotation(math.radians(20)), uniform(3, 0)])
    forward, backward = accumulate_forward(flow, 3), accumulate_backward(flow, 3)
    turned = rotated(grid(), math.radians(20)) + uniform(3, 0)
    torch.testing.assert_close(middle(forward[2:]), middle(turned - grid()), atol=1e-4, rtol=0)
    unturned = rotated(grid() - uniform(3, 0), -math.radians(20))
    torch.testing.assert_close(middle(backward[2:]), middle(unturned - grid()), atol=5e-3, rtol=0)


def test_mirrored_flow_accumulates_to_the_mirrored_displacement():
    flow = smooth()
    for accumulate in (accumulate_forward, accumulate_backward):
        torch.testing.assert_close(flip_flow(accumulate(flip_flow(flow), 6)), accumulate(flow, 6), atol=1e-4, rtol=0)


@pytest.mark.parametrize("accumulate", [accumulate_forward, accumulate_backward])
@pytest.mark.parametrize("count", [1, 5])
def test_a_batch_equals_its_members(accumulate, count):
    batch = torch.stack([smooth(seed, count) for seed in range(3)])
    together = accumulate(batch, 6)
    assert together.shape == (3, 6, 2, SIZE, SIZE)
    for member, flow in zip(together, batch, strict=True):
        torch.testing.assert_close(member, accumulate(flow, 6))


@pytest.mark.parametrize(("shape", "frames"), [((3, 2, 8, 8), 5), ((1, 2, 8, 8), 1), ((1, 3, 8, 8), 4), ((2, 8, 8), 4)])
def test_a_flow_that_does_not_fit_is_refused(shape, frames):
    for accumulate in (accumulate_forward, accumulate_backward):
        with pytest.raises(ValueError, match=f"flow for {frames} frames: got"):
            accumulate(torch.zeros(shape), frames)


def test_gradients_flow_through_everything():
    flow = smooth(amplitude=0.5, size=16).requires_grad_()
    image = picture(size=16)
    warped, _ = forward_splat(image, accumulate_forward(flow, 3))
    loss = reference_video(image, flow, 3).square().mean() + warped.square().mean()
    loss.backward()
    assert flow.grad.isfinite().all() and flow.grad.abs().sum() > 0


def test_splat_by_whole_px_moves_the_image_and_reports_the_holes():
    image = picture()
    warped, holes = forward_splat(image, torch.cat([uniform(0, 0), uniform(3, -2)]))
    assert warped.shape == (2, 3, SIZE, SIZE) and holes.shape == (2, 1, SIZE, SIZE)
    torch.testing.assert_close(warped[:1], image)
    torch.testing.assert_close(warped[1:, :, :-2, 3:], image[..., 2:, :-3])
    expected = torch.ones(1, 1, SIZE, SIZE)
    expected[..., :-2, 3:] = 0
    assert not holes[0].any() and torch.equal(holes[1:], expected)
    assert not (warped[1:] * expected).any()


def test_the_moving_covers_the_still_and_leaves_a_hole():
    image = torch.zeros(1, 1, 8, 24)
    image[..., 4:8] = 1
    displacement = torch.zeros(1, 2, 8, 24)
    displacement[:, 0, :, 4:8] = 10
    warped, holes = forward_splat(image, displacement)
    torch.testing.assert_close(warped[0, 0, 0, 14:18], torch.ones(4), atol=1e-4, rtol=0)
    assert holes[0, 0, 0].nonzero().flatten().tolist() == [4, 5, 6, 7]


def test_the_faster_of_two_covers_the_slower():
    image = torch.tensor([0.0, 0.2, 0.0, 0.0, 0.0, 0.9]).repeat_interleave(4).view(1, 1, 1, 24)
    displacement = torch.zeros(1, 2, 1, 24)
    displacement[..., 4:8] = torch.tensor([8.0, 0.0]).view(1, 2, 1, 1)
    displacement[..., 20:24] = torch.tensor([-8.0, 0.0]).view(1, 2, 1, 1)
    displacement[:, 0, :, 20:24] -= 4  # 12 px to the left, onto columns 8..11; the other lands on 12..15
    displacement[:, 0, :, 4:8] = 4  # 4 px to the right, onto columns 8..11
    warped, _ = forward_splat(image, displacement)
    torch.testing.assert_close(warped[0, 0, 0, 8:12], torch.full((4,), 0.9), atol=0.01, rtol=0)


def test_a_twofold_enlargement_leaves_no_holes():
    _, holes = forward_splat(picture(), grid())
    assert not holes.any()


def test_splatting_inverts_the_backward_warp_of_a_smooth_picture():
    image = F.interpolate(picture(size=8), SIZE, mode="bicubic", align_corners=True)
    flow = smooth(amplitude=0.3)
    splatted, holes = forward_splat(image, accumulate_forward(flow, 5))
    warped = backward_warp(image, accumulate_backward(flow, 5))
    assert not middle(holes).any()
    torch.testing.assert_close(middle(splatted), middle(warped), atol=0.06, rtol=0)


def test_reference_video_moves_the_image_forward():
    image = picture()
    video = reference_video(image, uniform(2, 0), 5)
    assert video.shape == (5, 3, SIZE, SIZE) and torch.equal(video[:1], image)
    for t in range(1, 5):
        torch.testing.assert_close(video[t, :, :, 2 * t :], image[0, :, :, : -2 * t])


@pytest.mark.parametrize("size", [(48, 100), (64, 64), (45, 37)])
def test_what_comes_in_over_the_border_is_the_continued_image(size):
    image = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0))
    video = reference_video(image, uniform(2, -1, height=size[0], width=size[1]), 5)
    assert torch.equal(video[:1], image)
    margin = margin_of(uniform(8, -4, height=size[0], width=size[1]).neg())
    left = margin[2]
    wide = continued(image, margin)
    for t in range(1, 5):
        seen = wide[0, :, t : t + size[0], left - 2 * t : left - 2 * t + size[1]]
        torch.testing.assert_close(video[t], seen, atol=2e-5, rtol=0)
        torch.testing.assert_close(video[t, :, :-t, 2 * t :], image[0, :, t:, : -2 * t], atol=2e-5, rtol=0)


@pytest.mark.parametrize("loop", [False, True])
def test_motion_that_brings_nothing_in_gives_what_it_gave(loop):
    image, flow = picture(), smooth(amplitude=0.4)
    x = torch.linspace(-1, 1, SIZE)
    flow = flow * ((1 - x**2) * (1 - x[:, None] ** 2)).clamp(0, 0.2) * 5
    assert torch.equal(reference_video(image, flow, 9, loop=loop), mask_video(image, flow, 9, loop=loop))
    enlarging = grid() / 64
    assert torch.equal(reference_video(image, enlarging, 9), mask_video(image, enlarging, 9))


def test_a_flipped_image_and_flow_give_the_flipped_video():
    image, flow = picture(), smooth(amplitude=1.0)
    flipped = reference_video(image.flip(-1), flip_flow(flow), 7).flip(-1)
    torch.testing.assert_close(flipped, reference_video(image, flow, 7), atol=1e-3, rtol=0)


def test_a_mask_keeps_its_border_value():
    mask = (picture(channels=1) > 0.5).float()
    video = mask_video(mask, uniform(2, 0), 5)
    assert torch.equal(video, backward_warp(mask, accumulate_backward(uniform(2, 0), 5)))
    assert torch.equal(video[4, 0, :, :8], mask[0, 0, :, :1].expand(-1, 8))


@pytest.mark.parametrize("loop", [False, True])
@pytest.mark.parametrize("count", [1, 6])
def test_no_motion_is_a_still_video(loop, count):
    image = picture()
    video = reference_video(image, torch.zeros(count, 2, SIZE, SIZE), 7, loop=loop)
    torch.testing.assert_close(video, image.expand(7, -1, -1, -1))


@pytest.mark.parametrize("count", [1, 3])
def test_a_loop_blends_the_two_directions(count):
    image = picture()
    video = reference_video(image, uniform(2, 0, count), 4, loop=True)
    assert torch.equal(video[:1], image)
    margin = (0, 0, 8, 8)
    wide = continued(image, margin)
    for t in range(1, 4):
        forward, backward = uniform(-2 * t, 0), uniform(2 * (4 - t), 0)
        forward, backward = (backward_warp(wide, way, margin) for way in (forward, backward))
        torch.testing.assert_close(video[t : t + 1], (1 - t / 4) * forward + t / 4 * backward)


def test_a_loop_closes_with_an_ordinary_step():
    image = F.interpolate(picture(size=6), SIZE, mode="bicubic", align_corners=True)
    video = reference_video(image, smooth(amplitude=0.4), 16, loop=True)
    change = (torch.cat([video[1:], video[:1]]) - video).abs().mean((1, 2, 3))
    assert change[-1] < 1.5 * change[:-1].max()


def test_nothing_is_mutated_and_no_randomness_used():
    image, flow, state = picture(), smooth(), torch.get_rng_state()
    copies = image.clone(), flow.clone()
    reference_video(image, flow, 5, loop=True)
    forward_splat(image, accumulate_forward(flow, 5))
    assert torch.equal(image, copies[0]) and torch.equal(flow, copies[1])
    assert torch.equal(torch.get_rng_state(), state)
