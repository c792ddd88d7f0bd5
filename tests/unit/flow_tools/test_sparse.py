import math

import pytest
import torch

from driftfield.flow_tools.arrows import Arrow, MotionArrows
from driftfield.flow_tools.sparse import sparse_flow


def sparse(*arrows, height=64, width=128, frames=25):
    return sparse_flow(MotionArrows(arrows, 640, 320), height=height, width=width, frames=frames)


def test_a_straight_arrow_is_stamped_at_its_tail_as_displacement_over_steps():
    flow, hints = sparse(Arrow("a", ((0.25, 0.5), (0.75, 0.25)), 1.5))
    assert flow.shape == (1, 2, 64, 128) and hints.shape == (1, 1, 64, 128)
    assert hints.nonzero().tolist() == [[0, 0, 32, 32]] and hints.max() == 1
    torch.testing.assert_close(flow[0, :, 32, 32], torch.tensor([64.0, -16.0]) * 1.5 / 24)  # eq. 5
    assert flow.abs().gt(0).sum() == 2


def test_values_follow_the_grid():
    small, _ = sparse(Arrow("a", ((0.25, 0.5), (0.75, 0.25))))
    large, _ = sparse(Arrow("a", ((0.25, 0.5), (0.75, 0.25))), height=128, width=256)
    torch.testing.assert_close(large[0, :, 64, 64], 2 * small[0, :, 32, 32])


def test_a_pin_is_a_zero_with_its_mask_set():
    flow, hints = sparse(Arrow("a", ((0.5, 0.5),)))
    assert not flow.any() and hints.nonzero().tolist() == [[0, 0, 32, 64]]


def test_no_arrows_give_exact_zeros():
    flow, hints = sparse()
    assert not flow.any() and not hints.any()


def test_the_later_arrow_wins():
    flow, hints = sparse(Arrow("a", ((0.5, 0.5), (1, 0.5))), Arrow("b", ((0.5, 0.5), (0.5, 1))))
    assert hints.sum() == 1
    torch.testing.assert_close(flow[0, :, 32, 64], torch.tensor([0, 32 / 24]))
    flow, _ = sparse(Arrow("b", ((0.5, 0.5), (0.5, 1))), Arrow("pin", ((0.5, 0.5),)))
    assert not flow.any()


def test_the_border_belongs_to_the_last_pixel():
    _, hints = sparse(Arrow("a", ((1.0, 1.0),)), Arrow("b", ((0.0, 0.0),)))
    assert hints.nonzero().tolist() == [[0, 0, 0, 0], [0, 0, 63, 127]]


@pytest.mark.parametrize("column", range(0, 128, 9))
def test_whole_px_survive_the_way_through_0_to_1(column):
    _, hints = sparse_flow(MotionArrows((Arrow("a", ((column / 100, 0),)),), 100, 1), height=1, width=100, frames=2)
    assert hints[0, 0, 0].nonzero().tolist() == [[min(column, 99)]]


def test_a_bend_is_stamped_at_every_pixel_with_its_tangent_and_the_path_length():
    flow, hints = sparse(Arrow("a", ((0.125, 0.25), (0.625, 0.25), (0.625, 0.75))))  # 64 px right, 32 px down
    assert hints[0, 0, 16, 16:81].all() and hints[0, 0, 16:49, 80].all()
    assert (hints > 0).sum() == 65 + 32
    torch.testing.assert_close(hints.sum(), torch.tensor(1.0))  # they share one arrow's weight
    torch.testing.assert_close(flow[0, :, 16, 40], torch.tensor([96 / 24, 0]))
    torch.testing.assert_close(flow[0, :, 30, 80], torch.tensor([0, 96 / 24]))


def test_a_circle_is_tangent_everywhere():
    points = tuple(
        (0.5 + 0.25 * math.cos(a / 50 * math.pi), 0.5 + 0.25 * math.sin(a / 50 * math.pi)) for a in range(101)
    )
    flow, hints = sparse_flow(MotionArrows((Arrow("a", points),), 128, 128), height=128, width=128, frames=25)
    rows, columns = hints[0, 0].nonzero().T
    x, y = columns + 0.5 - 64, rows + 0.5 - 64
    vectors = flow[0, :, rows, columns]
    radius = torch.hypot(x, y)
    torch.testing.assert_close(vectors.norm(dim=0), torch.full_like(x, 2 * math.pi * 32 / 24), rtol=2e-3, atol=0)
    cosine = (vectors[0] * -y + vectors[1] * x) / (vectors.norm(dim=0) * radius)
    assert cosine.min() > 0.99 and (radius - 32).abs().max() < 1


def test_repeated_points_count_once():
    flow, hints = sparse(Arrow("a", ((0.25, 0.5), (0.25, 0.5), (0.75, 0.5))))
    assert hints.sum() == 1 and flow[0, 0, 32, 32] == pytest.approx(64 / 24)


@pytest.mark.parametrize(("what", "value"), [("frames", 1), ("height", 0), ("width", -3)])
def test_impossible_sizes_are_refused(what, value):
    with pytest.raises(ValueError, match=f"{what}: got {value}, allowed"):
        sparse(**{what: value})


def test_an_arrow_that_leaves_the_picture_at_once_is_refused_by_name():
    with pytest.raises(ValueError, match=r"arrow a3: moves 192 px a frame, allowed at most the diagonal, 143 px"):
        sparse(Arrow("a1", ((0.1, 0.5), (0.2, 0.5))), Arrow("a3", ((0.25, 0.5), (0.75, 0.5)), 3.0), frames=2)
    with pytest.raises(ValueError, match="arrow a: moves inf px"):
        sparse(Arrow("a", ((0.25, 0.5), (0.75, 0.5)), float("inf")))
    sparse(Arrow("whole", ((0.0, 0.0), (1.0, 1.0))), frames=2)
