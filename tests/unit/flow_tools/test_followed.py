"""densify's mode "followed": an arrow has its speed at its tail and along its way, whatever is near."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from driftfield.flow_tools.arrows import Arrow, MotionArrows, along_path, path_length, path_px
from driftfield.flow_tools.dense import FADED, FOLLOWED, MODES, densify, restore_hints
from driftfield.flow_tools.motion import dense_motion, sparse_motion
from driftfield.flow_tools.sparse import sparse_flow
from driftfield.flow_tools.warp import accumulate_backward, accumulate_forward

FRAMES = 25
TAIL = (0.4, 0.5)


def pin(x, y) -> Arrow:
    return Arrow("pin", ((x, y),))


def straight(length, degrees=20.0, **more) -> Arrow:
    angle = math.radians(degrees)
    return Arrow("straight", (TAIL, (TAIL[0] + length * math.cos(angle), TAIL[1] + length * math.sin(angle))), **more)


def quarter(length, **more) -> Arrow:
    points = [TAIL]
    for i in range(20):
        angle = math.pi / 2 * (i + 0.5) / 20
        points.append((points[-1][0] + length / 20 * math.cos(angle), points[-1][1] + length / 20 * math.sin(angle)))
    return Arrow("quarter", tuple(points), **more)


def bend(length, **more) -> Arrow:
    x, y = TAIL[0] + length / 2, TAIL[1]
    return Arrow("bend", (TAIL, (x, y), (x, y + length / 2)), **more)


KINDS = (straight, quarter, bend)


def known(*arrows, side=128, frames=FRAMES):
    return sparse_motion(MotionArrows(arrows, side, side), height=side, width=side, frames=frames)


def field(*arrows, side=128, frames=FRAMES, mode=FOLLOWED, **options):
    return dense_motion(*known(*arrows, side=side, frames=frames), mode=mode, **options).field


def pixel(point, side):
    return tuple(min(int(part * side + 1e-6), side - 1) for part in point)


def reached(flow, arrow, *, frame=-1, share=1.0) -> float:
    """How near what is under the tail gets to where it should be: 1 less the distance over the arrow's length."""
    side = flow.shape[-1]
    x, y = pixel(arrow.points[0], side)
    moved = accumulate_forward(flow, FRAMES)[frame, :, y, x].double().numpy()
    path = path_px(arrow.points, width=side, height=side)
    length = path_length(path) * arrow.strength
    wanted = along_path(path, length * share * torch.ones(1).numpy())[0][0] - path[0]
    return 1 - float(math.hypot(*(moved - wanted))) / length


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("length", [0.05, 0.1, 0.15, 0.2])
def test_what_is_under_an_arrow_reaches_its_head(kind, length):
    assert reached(field(kind(length), side=256), kind(length)) >= 0.95


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("turned", [0, 45])
def test_four_pins_do_not_hold_it(kind, turned):
    around = [math.radians(turned + 90 * i) for i in range(4)]
    pins = [pin(TAIL[0] + 0.1 * math.cos(angle), TAIL[1] + 0.1 * math.sin(angle)) for angle in around]
    for arrow in (kind(0.1), straight(0.1, 0), straight(0.1, 45)):
        flow = field(arrow, *pins, side=256)
        assert reached(flow, arrow) >= 0.9
        for one in pins:
            x, y = pixel(one.points[0], 256)
            assert not flow[..., y, x].any(), "a pin is exactly still"


@pytest.mark.parametrize("kind", KINDS)
def test_the_size_of_the_picture_changes_nothing(kind):
    found = [reached(field(kind(0.1), side=side), kind(0.1)) for side in (256, 1024)]
    assert found[0] == pytest.approx(found[1], abs=0.02)


@pytest.mark.parametrize("kind", KINDS)
def test_timings_are_kept_all_the_way(kind):
    assert reached(field(kind(0.2, timing="ease"), side=256), kind(0.2)) >= 0.95
    swaying = field(kind(0.2, timing="sway"), side=256)
    x, y = pixel(TAIL, 256)
    along = accumulate_forward(swaying, FRAMES)[:, :, y, x].norm(dim=1)
    assert along.max() >= 0.85 * 0.2 * 256 * (1 if kind is straight else 0.7)
    assert along[-1] <= 0.05 * 0.2 * 256, "it comes back the way it went"


@pytest.mark.parametrize("strength", [0.5, 2.0, 3.0])
def test_a_strong_arrow_goes_straight_on_beyond_its_head(strength):
    arrow = straight(0.12, strength=strength)
    assert reached(field(arrow, side=256), arrow) >= 0.95


points = st.tuples(st.floats(0, 1), st.floats(0, 1))
arrows = st.builds(
    lambda path, strength, timing: Arrow("a", tuple(path), strength, timing=timing),
    st.lists(points, min_size=1, max_size=4),
    st.floats(0, 1.5),
    st.sampled_from(["steady", "ease", "sway"]),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(arrows, min_size=1, max_size=5), st.floats(1, 80), st.sampled_from([0.0, 0.05, 0.5]))
def test_every_tail_has_its_velocity_and_nothing_is_faster_than_the_fastest(drawn, sigma_px, threshold):
    side = 40
    motion, hints = known(*drawn, side=side, frames=FRAMES)
    dense = dense_motion(motion, hints, sigma_px=sigma_px, threshold=threshold).field
    later = {pixel(arrow.points[0], side): arrow for arrow in drawn}
    for (x, y), arrow in later.items():
        alone, _ = sparse_flow(MotionArrows((arrow,), side, side), height=side, width=side, frames=FRAMES)
        loop = len(arrow.points) > 2  # may come back to its tail, and is stamped there anew
        expected = known(arrow, side=side, frames=FRAMES)[0].ways[0].flow[..., 0] if loop else alone[..., y, x].numpy()
        torch.testing.assert_close(dense[..., y, x], torch.tensor(expected).expand(len(dense), -1).to(dense))
    fastest = max(way.fastest for way in motion.ways)
    assert dense.isfinite().all() and dense.norm(dim=1).max() <= fastest * (1 + 1e-4) + 1e-6


@settings(max_examples=40, deadline=None)
@given(
    st.dictionaries(
        st.tuples(st.integers(0, 30), st.integers(0, 20)), st.tuples(*[st.floats(-5, 5, width=32)] * 2), min_size=1
    ),
    st.floats(2, 60),
    st.floats(0, 0.5),
)
def test_hints_alone_give_shepards_mean_of_their_own_fields(hints, sigma, threshold):
    flow, mask = torch.zeros(1, 2, 21, 31), torch.zeros(1, 1, 21, 31)
    x, y = torch.arange(31.0).double(), torch.arange(21.0).double()[:, None]
    top, below = torch.zeros(2, 21, 31).double(), torch.zeros(21, 31).double()
    for (u, v), vector in hints.items():
        flow[0, :, v, u], mask[0, 0, v, u] = torch.tensor(vector), 1
        squared = (x - u) ** 2 + (y - v) ** 2
        share = ((torch.exp(-squared / sigma**2) - threshold) / (1 - threshold)).clamp_min(0)
        top += torch.tensor(vector).double().view(2, 1, 1) * share * share / squared
        below += share / squared
    expected = torch.where(below > 1e-9, top / below.clamp_min(1e-30), 0)
    at = mask[0, 0] > 0
    expected[:, at] = flow[0][:, at].double()
    found = densify(flow, mask, sigma_px=sigma, threshold=threshold, mode=FOLLOWED)
    torch.testing.assert_close(found[0].double(), expected, atol=2e-5, rtol=0)


def test_motion_ends_without_a_step():
    flow = field(straight(0.2, 0), side=128)[0, 0]
    assert (flow == 0).any() and flow.diff(dim=0).abs().max() < 0.05 * flow.max()


def test_crossing_ways_can_be_traced_back():
    crossing = Arrow("a", ((0.35, 0.5), (0.65, 0.5))), Arrow("b", ((0.5, 0.65), (0.5, 0.35)))
    for around in (crossing, (crossing[0], replace(crossing[0], points=crossing[0].points[::-1]))):
        flow = field(*around, side=128)
        back = accumulate_backward(flow, FRAMES)[-1:]
        there = accumulate_forward(flow, FRAMES)[-1:]
        # What is where a particle went came from that particle.
        y, x = torch.meshgrid(torch.arange(20, 108, 4), torch.arange(20, 108, 4), indexing="ij")
        at = there[0, :, y, x] + torch.stack([x, y])
        grid = (2 * at.permute(1, 2, 0)[None] + 1) / 128 - 1
        returned = at + torch.nn.functional.grid_sample(back, grid, align_corners=False)[0]
        away = (returned - torch.stack([x, y])).norm(dim=0)
        assert away.median() < 0.1 and (away > 6).float().mean() < 0.02


def test_a_tail_that_is_no_hint_takes_its_way_along_and_a_hint_of_its_own_holds():
    arrow, other = straight(0.2), Arrow("b", ((0.8, 0.2), (0.9, 0.2)))
    motion, hints = known(arrow, other)
    x, y = pixel(TAIL, 128)
    hints[..., y, x] = 0
    torch.testing.assert_close(dense_motion(motion, hints).field, field(other))
    hints[..., 100, 30] = 1
    held = dense_motion(motion, hints).field
    assert not held[..., 100, 30].any()
    torch.testing.assert_close(held, field(other, pin(30.5 / 128, 100.5 / 128)))


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode != FOLLOWED])
def test_the_papers_modes_know_nothing_of_ways(mode):
    drawn = quarter(0.2), pin(0.5, 0.55)
    motion, hints = known(*drawn)
    dense = dense_motion(motion, hints, mode=mode)
    paper = sparse_flow(MotionArrows(drawn, 128, 128), height=128, width=128, frames=FRAMES)
    assert torch.equal(dense.field, densify(*paper, mode=mode))
    assert dense.ways is None and dense_motion(motion, hints).ways == motion.ways


def test_the_same_bits_each_time():
    drawn = quarter(0.2), straight(0.1, 200), pin(0.5, 0.55)
    assert torch.equal(field(*drawn), field(*drawn))


def test_no_motion_where_the_threshold_is_all():
    assert not field(straight(0.2), threshold=1.0).any()


def test_pins_and_arrows_of_no_strength_leave_exact_zeros():
    assert not field(pin(0.3, 0.3), straight(0.2, strength=0.0)).any()


def test_a_refined_field_keeps_to_the_ways():
    arrow = straight(0.2)
    motion, hints = known(arrow, pin(0.45, 0.4))
    lost = torch.zeros_like(motion.field)
    x, y = pixel(TAIL, 128)
    kept = restore_hints(lost, motion.field, hints, sigma_px=10.0, ways=motion.ways)
    assert torch.equal(kept[..., y, x], motion.field[..., y, x]) and reached(kept, arrow) >= 0.95
    before = restore_hints(lost, motion.field, hints, sigma_px=10.0)
    assert torch.equal(before, densify(motion.field, hints, sigma_px=10.0, threshold=0.0, mode=FADED))
