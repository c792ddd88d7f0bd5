import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from driftfield.flow_tools.convention import (
    check_flow,
    crop_padding,
    flip_flow,
    image_to_tensor,
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
