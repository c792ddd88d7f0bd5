import math

import numpy as np
import pytest
import torch

from driftfield.flow_tools.arrows import Arrow, MotionArrows
from driftfield.flow_tools.motion import sparse_motion
from driftfield.flow_tools.objects import Object, poses, residual, separate, steps

WIDTH, HEIGHT, FRAMES = 200, 100, 25
MASK = torch.ones(1, 1, 4, 8)


def placed(*arrows, times=(0, 12, 24)):
    return poses(Object(MASK, arrows), np.array(times), frames=FRAMES, width=WIDTH, height=HEIGHT)


def through(pose, x, y):
    return pose[:, :2] @ (x, y) + pose[:, 2]


def arrow(*points, **more):
    return Arrow("a", tuple((x / WIDTH, y / HEIGHT) for x, y in points), **more)


def test_one_arrow_moves_along_without_turning():
    start, half, end = placed(arrow((20, 30), (100, 50)))
    np.testing.assert_allclose(start, [[1, 0, 0], [0, 1, 0]], atol=1e-12)
    np.testing.assert_allclose(half, [[1, 0, 40], [0, 1, 10]], atol=1e-12)
    np.testing.assert_allclose(end, [[1, 0, 80], [0, 1, 20]], atol=1e-12)


def test_strength_goes_farther_and_straight_on():
    np.testing.assert_allclose(placed(arrow((20, 30), (100, 30), strength=1.5))[-1][:, 2], [120, 0], atol=1e-12)


def test_a_curved_arrow_is_followed_by_arc_length():
    half = placed(arrow((20, 20), (80, 20), (80, 80)))[1]
    np.testing.assert_allclose(half, [[1, 0, 60], [0, 1, 0]], atol=1e-12)


@pytest.mark.parametrize("strength, degrees", [(1, 90), (2, 180), (0.5, 45)])
def test_an_arrow_and_a_pin_turn_about_it(strength, degrees):
    pin = arrow((100, 50))
    end = placed(arrow((140, 50), (100, 90), strength=strength), pin)[-1]
    np.testing.assert_allclose(through(end, 100, 50), [100, 50], atol=1e-9)
    angle = math.radians(degrees)
    np.testing.assert_allclose(
        through(end, 140, 50), [100 + 40 * math.cos(angle), 50 + 40 * math.sin(angle)], atol=1e-9
    )
    np.testing.assert_allclose(np.linalg.det(end[:, :2]), 1, atol=1e-12)


def test_a_wheel_is_turned_more_than_once_by_a_spiral():
    turns = np.linspace(0, 2.5 * 2 * math.pi, 60)
    spiral = arrow(*((100 + 30 * math.cos(a), 50 + 30 * math.sin(a)) for a in turns))
    half = placed(spiral, arrow((100, 50)))[1]
    np.testing.assert_allclose(
        through(half, 130, 50), [100 + 30 * math.cos(turns[-1] / 2), 50 + 30 * math.sin(turns[-1] / 2)], atol=1e-6
    )


def test_two_arrows_scale_and_turn():
    grow = placed(arrow((90, 50), (80, 50)), arrow((110, 50), (120, 50)))
    np.testing.assert_allclose(through(grow[-1], 90, 50), [80, 50], atol=1e-9)
    np.testing.assert_allclose(grow[1][0, 0], math.sqrt(2), atol=1e-9)  # half of the way: half of the logarithm
    turn = placed(arrow((90, 50), (100, 40)), arrow((110, 50), (100, 60)))
    np.testing.assert_allclose(np.linalg.det(turn[1][:, :2]), 1, atol=1e-9)  # no shrinking on the way
    np.testing.assert_allclose(through(turn[-1], 110, 50), [100, 60], atol=1e-9)


def test_pins_alone_hold():
    np.testing.assert_allclose(placed(arrow((30, 30)), arrow((60, 30))), np.tile(np.eye(2, 3), (3, 1, 1)), atol=1e-12)


def test_sway_comes_back():
    swaying = placed(arrow((20, 30), (100, 30), timing="sway"), times=(0, 12.5, 25))
    np.testing.assert_allclose(swaying[:, 0, 2], [0, 80, 0], atol=1e-9)


def test_what_arrows_that_disagree_are_missed_by_is_said():
    agreeing = Object(MASK, (arrow((20, 20), (40, 20)), arrow((60, 20), (80, 20)), arrow((40, 60), (60, 60))))
    assert residual(agreeing, width=WIDTH, height=HEIGHT) < 1e-9
    against = (arrow((20, 50), (40, 50)), arrow((60, 50), (60, 50 + 1e-9)), arrow((100, 50), (120, 50)))
    found = residual(Object(MASK, against), width=WIDTH, height=HEIGHT)
    wanted = np.array([[40, 50], [60, 50], [120, 50]])
    right = np.polyval(np.polyfit([20, 60, 100], wanted[:, 0], 1), [20, 60, 100])  # of a line: a similarity is one, too
    assert found == pytest.approx(np.sqrt(((right - wanted[:, 0]) ** 2).mean()), rel=1e-6)
    drawn = MotionArrows(tuple(Arrow("a", a.points, object=1) for a in against), WIDTH, HEIGHT, objects=(MASK,))
    assert "missed by 9 px" in separate(drawn)[2][0]


def test_a_step_leads_from_pose_to_pose():
    own = placed(arrow((140, 50), (100, 90)), arrow((100, 50)), times=range(4))
    for step, before, after in zip(steps(own), own[:-1], own[1:], strict=True):
        np.testing.assert_allclose(through(step, *through(before, 33, 44)), through(after, 33, 44), atol=1e-9)


def masks_at(*boxes):
    found = []
    for left, right in boxes:
        mask = torch.zeros(1, 1, HEIGHT, WIDTH)
        mask[..., 20:80, left:right] = 1
        found.append(mask)
    return found


def separated(arrows, masks=(), objects=()):
    areas, things, notes = separate(MotionArrows(arrows, WIDTH, HEIGHT, objects=objects), masks)
    return [a.id for a in areas.arrows], [[a.id for a in thing.arrows] for thing in things], notes


def named(name, *points, **more):
    return Arrow(name, tuple((x / WIDTH, y / HEIGHT) for x, y in points), **more)


def test_an_arrow_moves_the_object_whose_number_it_carries():
    arrows = (named("a", (5, 5), (9, 9), object=1), named("b", (50, 50), (60, 50)), named("p", (9, 5), object=1))
    assert separated(arrows, objects=(MASK, MASK)) == (["b"], [["a", "p"]], ())


def test_as_many_masks_as_arrows_belong_to_them_in_order():
    arrows = (named("a", (190, 50), (191, 50)), named("b", (50, 50), (60, 50)), named("p", (110, 60)))
    assert separated(arrows, masks_at((40, 60), (100, 120))) == ([], [["a"], ["b", "p"]], ())


def test_masks_of_one_thing_are_one_object():
    arrows = (named("a", (45, 50), (50, 50)), named("b", (50, 50), (60, 50)))
    assert separated(arrows, masks_at((40, 60), (40, 61))) == ([], [["a", "b"]], ())


def test_else_an_arrow_moves_the_mask_that_it_begins_in():
    arrows = (named("a", (45, 50), (50, 50)), named("b", (190, 50), (195, 50)), named("c", (50, 50), (50, 60)))
    assert separated(arrows, masks_at((40, 60))) == (["b"], [["a", "c"]], ())


def test_an_empty_object_and_timings_that_differ_are_noted():
    _, things, notes = separated((named("a", (5, 5), (9, 9), object=1),), objects=(torch.zeros(1, 1, 4, 4),))
    assert things == [] and "object 1 is empty" in notes[0]
    arrows = (named("a", (5, 5), (9, 5), object=1, timing="sway"), named("b", (9, 9), (13, 9), object=1))
    assert "different timings, sway is used" in separated(arrows, objects=(MASK,))[2][0]


def test_what_arrows_cannot_move_is_noted():
    beside = (named("a", (190, 50), (195, 50)),)
    assert "no arrow begins in any of the 2 masks" in separated(beside, masks_at((40, 60), (100, 120)))[2][0]
    two = (named("a", (45, 50), (50, 50), object=1), named("b", (50, 50), (60, 50), object=2))
    under, over = masks_at((40, 60), (30, 70))
    assert "object 1: others cover all of it" in separated(two, objects=(under, over))[2][0]
    assert separated(two, objects=(over, under))[2] == ()
    line = torch.zeros(1, 1, 20 * HEIGHT, 20 * WIDTH)
    line[..., 500:501, :] = 1
    assert "object 1: too thin for 200×100 px" in separated(two[:1], objects=(line,))[2][0]


@pytest.mark.parametrize("pin, turns", [((20, 50), False), ((60, 50), False), ((40, 50), False), ((60, 30), True)])
def test_an_arrow_that_cannot_turn_about_its_pin_is_noted(pin, turns):
    drawn = (named("a", (40, 50), (20, 50), object=1), named("p", pin, object=1))
    notes = separated(drawn, objects=(MASK,))[2]
    assert notes == () if turns else "cannot turn about it" in notes[0]


@pytest.mark.parametrize("heads", [(50, 50), (0, 200)])
def test_a_scale_has_bounds_in_frames_beyond_the_arrows_end(heads):
    arrows = [arrow((tail, 50), (head, 50)) for tail, head in zip((45, 55), heads, strict=True)]
    own = poses(Object(MASK, tuple(arrows)), np.arange(300), frames=2, width=WIDTH, height=HEIGHT)
    scales = np.sqrt(np.linalg.det(own[:, :2, :2]))
    assert (scales > 0.06).all() and (scales < 16.01).all() and np.isfinite(steps(own)).all()


def test_a_part_of_an_object_that_moves_too_fast_is_refused_by_name():
    grows = (named("a", (99, 50), (90, 50), object=1), named("b", (101, 50), (110, 50), object=1))
    drawn = MotionArrows(grows, WIDTH, HEIGHT, objects=(MASK,))
    with pytest.raises(ValueError, match="the object of arrow a: a part of it moves .* allowed at most the diagonal"):
        sparse_motion(drawn, height=HEIGHT, width=WIDTH, frames=2)
    assert sparse_motion(drawn, height=HEIGHT, width=WIDTH, frames=FRAMES)[0].objects
