"""A picture moved along its flow: frames, and masks that tell moving, resting and uncovered apart."""

import numpy as np
import pytest
import torch

from driftfield.flow_tools.arrows import Arrow
from driftfield.flow_tools.motion import Motion
from driftfield.flow_tools.objects import Object

HEIGHT, WIDTH, FRAMES = 48, 80, 5
ROWS, COLUMNS = slice(16, 32), slice(16, 32)
AWAY = 16.0


@pytest.fixture(scope="module")
def warped(comfy_base):
    import driftfield.pipeline.warped

    return driftfield.pipeline.warped


def picture():
    """A red box on a grey ramp."""
    image = torch.linspace(-0.5, 0.5, HEIGHT)[:, None].expand(1, 3, HEIGHT, WIDTH).clone()
    image[0, :, ROWS, COLUMNS] = torch.tensor([0.9, -0.8, -0.8])[:, None, None]
    return image


def object_motion(field=None, **more):
    mask = torch.zeros(1, 1, HEIGHT, WIDTH)
    mask[0, 0, ROWS, COLUMNS] = 1
    arrow = Arrow("a", ((24 / WIDTH, 24 / HEIGHT), ((24 + AWAY) / WIDTH, 24 / HEIGHT)), **more)
    field = torch.zeros(1, 2, HEIGHT, WIDTH) if field is None else field
    return Motion(field, FRAMES, objects=(Object(mask, (arrow,)),))


def area_motion():
    """The box's pixels move right, nothing else does."""
    field = torch.zeros(1, 2, HEIGHT, WIDTH)
    field[0, 0, ROWS, 8:56] = AWAY / (FRAMES - 1)
    return Motion(field, FRAMES)


def test_an_area_is_the_dual_clocks_own_forward_warp(warped):
    from driftfield.sampling.dual_clock import forward_warped_still

    video, moving, resting = warped.warp_image(picture(), area_motion(), frames=FRAMES)
    expected, moves, uncovered = forward_warped_still(picture(), area_motion().field, FRAMES)
    assert torch.equal(video, expected) and torch.equal(moving, moves)
    assert torch.equal(resting, ((moves + uncovered) == 0).float())
    assert torch.equal(video[0], picture()[0])


def test_things_are_composed_and_the_masks_are_exact(warped):
    video, moving, resting = warped.warp_image(picture(), object_motion(), frames=FRAMES)
    assert torch.equal(video[0], picture()[0])
    for t in range(FRAMES):
        box = torch.zeros(HEIGHT, WIDTH)
        left = round(16 + AWAY * t / (FRAMES - 1))
        box[ROWS, left : left + 16] = 1
        assert (moving[t, 0] != box).float().mean() < 0.01, t
        assert (video[t, 0, 20:28, left + 2 : left + 14] - 0.9).abs().max() < 0.02, t
        assert not (moving[t, 0] * resting[t, 0]).any()
    assert resting[:, 0, :, 60:].all() and resting[:, 0, :8].all()
    assert not resting[-1, 0, ROWS, 17:31].any()  # it was there: neither moving nor resting
    assert not moving[-1, 0, ROWS, 17:31].any()
    assert video[-1, 0, 20:28, 18:30].mean() < 0.3  # filled


def test_a_things_plate_may_flow(warped):
    field = torch.zeros(1, 2, HEIGHT, WIDTH)
    field[0, 0, 36:44] = 1.0
    _, moving, resting = warped.warp_image(picture(), object_motion(field), frames=FRAMES)
    assert moving[-1, 0, 38:42, 8:70].all() and not resting[-1, 0, 38:42].any()


@pytest.mark.parametrize("size", [(HEIGHT, WIDTH), (24, 40), (96, 160), (48, 48), (30, 80), (64, 64)])
def test_frames_of_any_size_show_the_middle(warped, size):
    height, width = size
    video, moving, resting = warped.warp_image(picture(), object_motion(), frames=FRAMES, width=width, height=height)
    assert video.shape == (FRAMES, 3, height, width)
    assert moving.shape == resting.shape == (FRAMES, 1, height, width)
    scale = max(height / HEIGHT, width / WIDTH)
    columns = np.arange(width) + 0.5
    for t in range(FRAMES):
        row = video[t, :, height // 2]
        red = ((row[0] - row[1]) / 1.7).clamp(0, 1)
        middle = float((red * torch.from_numpy(columns)).sum() / red.sum())
        wanted = (24 + AWAY * t / (FRAMES - 1) - WIDTH / 2) * scale + width / 2
        assert middle == pytest.approx(wanted, abs=0.6), t


def test_the_middle_is_the_one_image_to_video_nodes_cut(warped, comfy_base):
    import comfy.utils

    smooth = torch.nn.functional.interpolate(
        torch.randn(1, 3, 5, 8, generator=torch.Generator().manual_seed(0)), size=(HEIGHT, WIDTH), mode="bicubic"
    ).clamp(-1, 1)
    for width, height in ((48, 48), (160, 48), (96, 96), (80, 24)):
        video, _, _ = warped.warp_image(
            smooth, Motion(torch.zeros(1, 2, HEIGHT, WIDTH)), frames=2, width=width, height=height
        )
        start = comfy.utils.common_upscale(smooth, width, height, "bilinear", "center")
        assert (video[0] - start[0]).abs().mean() < 0.03, (width, height)


def test_a_loop_leads_back(warped):
    sway = warped.warp_image(picture(), object_motion(), frames=FRAMES, loop=True)[0]
    steps = sway.diff(dim=0).abs().mean(dim=(1, 2, 3))
    assert (sway[-1] - sway[0]).abs().mean() < steps.max() * 1.5
    area = warped.warp_image(picture(), area_motion(), frames=FRAMES, loop=True)[0]
    assert (area[-1] - area[0]).abs().mean() < (
        warped.warp_image(picture(), area_motion(), frames=FRAMES)[0][-1] - area[0]
    ).abs().mean()


def test_flows_of_video_are_cut_or_refused(warped):
    field = torch.zeros(6, 2, HEIGHT, WIDTH)
    field[:, 0] = torch.arange(6).view(-1, 1, 1).float()
    long = Motion(field)
    video, _, _ = warped.warp_image(picture(), long, frames=4)
    short, _, _ = warped.warp_image(picture(), Motion(field[:3]), frames=4)
    assert torch.equal(video, short)
    with pytest.raises(ValueError, match="flow: got 7 frames, allowed one flow for all frames, or 9 frames or more"):
        warped.warp_image(picture(), long, frames=9)
    with pytest.raises(ValueError, match="frames: got 1, allowed 2 or more"):
        warped.warp_image(picture(), long, frames=1)
    with pytest.raises(ValueError, match="moves 1000 px a frame"):
        warped.warp_image(picture(), Motion(torch.full((1, 2, HEIGHT, WIDTH), 1000 / 2**0.5)), frames=4)
