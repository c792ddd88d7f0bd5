import pytest
import torch
from torchvision.utils import flow_to_image

from driftfield.flow_tools.arrows import Arrow, MotionArrows
from driftfield.flow_tools.color import draw_arrows, draw_flow, flow_to_color


def one(x, y):
    return torch.tensor([x, y], dtype=torch.float32).view(1, 2, 1, 1)


@pytest.mark.parametrize(
    ("vector", "color"),
    [
        ((1, 0), (1, 0, 0)),  # right: red
        ((1, -0.0), (1, 0, 0)),
        ((0, 1), (1, 0.9, 0)),  # down: nearly yellow
        ((-1, 0), (0, 0.82, 1)),  # left: between cyan and blue
        ((0, -1), (0.35, 0, 1)),  # up: between blue and magenta
        ((0, 0), (1, 1, 1)),
    ],
)
def test_known_directions(vector, color):
    torch.testing.assert_close(
        flow_to_color(one(*vector), max_px=1).flatten(), torch.tensor(color, dtype=torch.float32), atol=0.011, rtol=0
    )


def test_half_speed_is_half_way_to_white_and_too_fast_is_darker():
    assert flow_to_color(one(1, 0), max_px=2).flatten().tolist() == pytest.approx([1, 0.5, 0.5])
    assert flow_to_color(one(3, 0), max_px=2).flatten().tolist() == pytest.approx([0.75, 0, 0])


def test_equals_torchvision():
    flow = torch.randn(1, 2, 32, 48, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(flow_to_color(flow), flow_to_image(flow).float() / 255, atol=0.01, rtol=0)


def test_one_scale_holds_for_all_frames():
    flow = torch.cat([one(1, 0), one(4, 0)])
    assert flow_to_color(flow)[:, 1].flatten().tolist() == pytest.approx([0.75, 0])


def test_a_still_field_is_white():
    assert torch.equal(flow_to_color(torch.zeros(2, 2, 4, 4)), torch.ones(2, 3, 4, 4))


def test_bad_max_is_refused():
    with pytest.raises(ValueError, match="max_px: got 0"):
        flow_to_color(one(1, 0), max_px=0)


def test_arrows_are_drawn_where_they_are_on_a_copy():
    image = torch.full((1, 3, 96, 128), 0.5)
    arrows = (
        Arrow("a", ((0.25, 0.5), (0.75, 0.5)), 1.0),
        Arrow("b", ((0.1, 0.9), (0.5, 0.8), (0.9, 0.9)), 2.0),
        Arrow("weak", ((0.5, 0.1), (0.9, 0.1)), 0.0),
        Arrow("pin", ((0.9, 0.6),)),
        Arrow("still", ((0.1, 0.2), (0.1, 0.2))),
    )
    drawn = draw_arrows(image, MotionArrows(arrows, 128, 96))
    assert drawn.shape == (3, 96, 128) and 0 <= drawn.min() and drawn.max() <= 1
    assert torch.equal(image, torch.full((1, 3, 96, 128), 0.5))
    green, red, blue = drawn[:, 48, 60], drawn[:, 77, 63], drawn[:, 9, 90]
    assert green.argmax() == 1 and red.argmax() == 0 and blue.argmax() == 2
    assert drawn[:, 57, 115].min() > 0.8  # the pin
    torch.testing.assert_close(drawn[:, 30, 60], torch.full((3,), 0.5), atol=0.01, rtol=0)


def test_drawing_no_arrows_changes_nothing_but_8_bit_rounding():
    image = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(draw_arrows(image, MotionArrows((), 8, 8)), image, atol=1 / 255, rtol=0)


def test_little_arrows_show_the_moving_half():
    flow = torch.zeros(1, 2, 32, 32)
    flow[:, 0, :, 16:] = 1.5
    image = torch.zeros(3, 64, 64)
    drawn = draw_flow(image, flow, spacing=16)
    assert drawn.shape == (3, 64, 64)
    assert drawn[0, :, 34:].max() > 0.9 and drawn[:, :, :28].max() == 0
    assert torch.equal(draw_flow(image, torch.zeros(1, 2, 8, 8), spacing=16), image)


@pytest.mark.parametrize("shape", [(2, 3, 8, 8), (1, 8, 8), (8, 8, 3)])
def test_other_images_are_refused(shape):
    with pytest.raises(ValueError, match="image: got"):
        draw_arrows(torch.zeros(shape), MotionArrows((), 8, 8))
