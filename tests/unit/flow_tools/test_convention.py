import logging

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from driftfield.flow_tools.convention import (
    check_flow,
    check_motion,
    crop_padding,
    flip_flow,
    image_to_tensor,
    mask_frames,
    mask_to_tensor,
    pad_to_multiple,
    resize_flow,
    tensor_to_image,
)


def random(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", [(2, 8, 8), (1, 3, 8, 8), (0, 2, 8, 8), (1, 2, 0, 8)])
def test_check_flow_names_a_wrong_shape(shape):
    with pytest.raises(ValueError, match=r"driving flow: got \[.*allowed a tensor \[N, 2, H, W\]"):
        check_flow(torch.zeros(shape), "driving flow")


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_check_flow_names_non_finite_values(bad):
    flow = torch.zeros(1, 2, 4, 4)
    flow[0, 1, 2, 3] = bad
    with pytest.raises(ValueError, match="flow: got 1 NaN or infinite"):
        check_flow(flow)


def test_check_flow_refuses_whole_numbers():
    with pytest.raises(ValueError, match="int64"):
        check_flow(torch.zeros(1, 2, 4, 4, dtype=torch.long))


def test_resize_scales_values_by_each_ratio():
    flow = torch.ones(3, 2, 16, 32)
    resized = resize_flow(flow, 48, 64)
    assert resized.shape == (3, 2, 48, 64)
    torch.testing.assert_close(resized[:, 0], torch.full((3, 48, 64), 2.0))
    torch.testing.assert_close(resized[:, 1], torch.full((3, 48, 64), 3.0))


def test_resize_keeps_a_linear_field_away_from_the_border():
    x = torch.arange(32) + 0.5
    flow = torch.stack([x.expand(32, 32), torch.zeros(32, 32)])[None]  # the displacement is the position
    resized = resize_flow(flow, 64, 64)[0, 0, 0]
    torch.testing.assert_close(resized[2:-2], (torch.arange(64) + 0.5)[2:-2])


def test_flip_twice_is_the_identity_and_negates_x_once():
    flow = random(2, 2, 5, 7)
    assert torch.equal(flip_flow(flip_flow(flow)), flow)
    assert torch.equal(flip_flow(flow)[:, 0], -flow[:, 0].flip(-1))
    assert torch.equal(flip_flow(flow)[:, 1], flow[:, 1].flip(-1))


def test_image_round_trip():
    image = random(2, 5, 6, 3)
    tensor = image_to_tensor(image)
    assert tensor.shape == (2, 3, 5, 6)
    torch.testing.assert_close(tensor_to_image(tensor), image)


def test_alpha_is_composited_over_black():
    image = torch.ones(1, 2, 2, 4)
    image[..., 3] = torch.tensor([[0.0, 0.25], [0.5, 1.0]])
    assert torch.equal(image_to_tensor(image)[0, 0], torch.tensor([[-1.0, -0.5], [0.0, 1.0]]))


def test_tensor_to_image_clamps():
    assert torch.equal(tensor_to_image(torch.full((1, 3, 1, 1), 9.0)), torch.ones(1, 1, 1, 3))


def test_image_of_a_wrong_shape_is_refused():
    with pytest.raises(ValueError, match=r"image: got \[1, 3, 8, 8\]"):
        image_to_tensor(torch.zeros(1, 3, 8, 8))


@settings(max_examples=50, deadline=None)
@given(
    st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 7, 8, 64]), st.sampled_from(["replicate", "reflect"])
)
def test_padding_reaches_the_multiple_and_crops_back(height, width, multiple, mode):
    x = random(2, 3, height, width)
    padded, padding = pad_to_multiple(x, multiple, mode)
    assert padded.shape[-2] % multiple == 0 and padded.shape[-1] % multiple == 0
    assert max(padded.shape[-2] - height, padded.shape[-1] - width) < multiple
    assert torch.equal(crop_padding(padded, padding), x)


@pytest.mark.parametrize("mode", ["replicate", "reflect"])
def test_padding_equals_torch(mode):
    x = random(1, 2, 13, 10)
    padded, (top, bottom, left, right) = pad_to_multiple(x, 16, mode)
    assert torch.equal(padded, torch.nn.functional.pad(x, (left, right, top, bottom), mode=mode))


def test_unknown_padding_mode_is_refused():
    with pytest.raises(ValueError, match="'wrap'"):
        pad_to_multiple(torch.zeros(1, 1, 2, 2), 8, "wrap")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.uint8])
def test_pictures_of_any_kind_of_numbers_are_float32(dtype):
    image = torch.tensor([0.0, 0.5, 1.0]).view(1, 1, 1, 3)
    given = (image * 255).to(dtype) if dtype == torch.uint8 else image.to(dtype)
    tensor = image_to_tensor(given)
    assert tensor.dtype == torch.float32
    torch.testing.assert_close(tensor.flatten(), torch.tensor([-1.0, 0.0, 1.0]), atol=0.005, rtol=0)


def test_grey_becomes_three_equal_channels():
    grey = random(2, 3, 4, 1)
    tensor = image_to_tensor(grey)
    assert tensor.shape == (2, 3, 3, 4)
    assert all(torch.equal(tensor[:, i], grey[..., 0] * 2 - 1) for i in range(3))


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (torch.zeros(1, 4, 4, 2), r"still: got \[1, 4, 4, 2\], allowed \[B, H, W, C\] with C of 3"),
        (torch.zeros(4, 4, 3), r"still: got \[4, 4, 3\]"),
        (torch.zeros(1, 4, 4, 3, dtype=torch.long), r"still: got numbers of the kind torch\.int64"),
        (torch.full((1, 2, 1, 3), float("nan")), r"still: got 6 NaN or infinite values"),
        (torch.full((1, 1, 1, 3), float("inf")).half(), r"still: got 3 NaN or infinite values"),
        (None, r"still: got NoneType"),
    ],
)
def test_pictures_that_are_none_are_refused_by_the_input_s_name(image, said):
    with pytest.raises(ValueError, match=said):
        image_to_tensor(image, "still")


@pytest.mark.parametrize("shape", [(3, 4), (1, 3, 4), (1, 1, 3, 4)])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float64, torch.uint8, torch.bool])
def test_masks_of_any_shape_and_kind_are_float32(shape, dtype):
    values = torch.arange(12).view(shape) % 2
    mask = mask_to_tensor((values * 255).to(dtype) if dtype == torch.uint8 else values.to(dtype))
    assert mask.dtype == torch.float32 and torch.equal(mask, values.float().view(1, 1, 3, 4))


def test_masks_outside_0_to_1_are_clamped_and_it_is_said(caplog):
    with caplog.at_level(logging.WARNING):
        mask = mask_to_tensor(torch.tensor([[-2.0, 0.25, 3.0]]), "region")
    assert mask.flatten().tolist() == [0.0, 0.25, 1.0]
    assert "region: 2 values in -2..3 clamped to 0..1" in caplog.text
    caplog.clear()
    mask_to_tensor(torch.tensor([[0.0, 1.0]]), "region")
    assert not caplog.text


@pytest.mark.parametrize(
    ("mask", "said"),
    [
        (torch.zeros(3, 4, 4), "region: got a batch of 3 masks, allowed exactly 1"),
        (torch.zeros(2, 1, 4, 4), "region: got a batch of 2 masks, allowed exactly 1"),
        (torch.zeros(1, 4, 4, 3), r"region: got \[1, 4, 4, 3\], allowed one channel"),
        (torch.zeros(4), r"region: got \[4\], allowed a mask"),
        (torch.full((2, 2), float("nan")), "region: got 4 NaN or infinite values"),
    ],
)
def test_masks_that_are_none_are_refused_by_the_input_s_name(mask, said):
    with pytest.raises(ValueError, match=said):
        mask_to_tensor(mask, "region")


def test_nothing_moves_more_than_the_diagonal():
    flow = torch.zeros(1, 2, 30, 40)
    flow[0, :, 3, 3] = torch.tensor([40.0, -30.0])
    check_motion(flow)
    with pytest.raises(ValueError, match="flow: moves 51 px a frame, allowed at most the diagonal, 50 px"):
        check_motion(flow * 1.02)
    with pytest.raises(ValueError, match="NaN"):
        check_motion(flow * torch.nan)


@pytest.mark.parametrize("shape", [(5, 4, 6), (5, 1, 4, 6), (4, 6)])
def test_masks_of_frames_come_in_any_form(shape):
    found = mask_frames(torch.ones(shape, dtype=torch.uint8) * 255)
    assert found.shape == (5 if len(shape) > 2 else 1, 4, 6) and found.dtype == torch.float32 and (found == 1).all()


@pytest.mark.parametrize("mask", [torch.ones(5, 2, 4, 6), torch.ones(0, 4, 6), torch.ones(6), None])
def test_masks_of_frames_that_are_none_are_refused(mask):
    with pytest.raises(ValueError, match="resting: got .*allowed masks"):
        mask_frames(mask, "resting")
    with pytest.raises(ValueError, match="resting: got 24 NaN"):
        mask_frames(torch.full((4, 6), float("nan")), "resting")
