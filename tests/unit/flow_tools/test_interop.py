import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from driftfield.flow_tools.arrows import Arrow, MotionArrows, parse_arrows
from driftfield.flow_tools.interop import arrows_from_tracks, arrows_to_coord_str, arrows_to_tracks

SIZE = {"width": 200, "height": 100}
BEND = ((0.1, 0.1), (0.6, 0.1), (0.6, 0.9))
STRAIGHT = ((0.25, 0.5), (0.75, 0.25))
PIN = ((0.5, 0.5),)


def drawn(*points, strength=1.0):
    return MotionArrows(tuple(Arrow(f"a{i + 1}", p, strength) for i, p in enumerate(points)), 200, 100)


def assert_same(a, b, tolerance=1e-6):
    assert [x.id for x in a.arrows] == [x.id for x in b.arrows]
    for x, y in zip(a.arrows, b.arrows, strict=True):
        np.testing.assert_allclose(x.points, y.points, atol=tolerance)
        assert x.strength == pytest.approx(y.strength)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 200), st.integers(0, 100)), min_size=1, max_size=2, unique=True),
        min_size=1,
        max_size=5,
    )
)
def test_coord_str_round_trip(tracks):
    arrows = drawn(*(tuple((x / 200, y / 100) for x, y in track) for track in tracks))
    # two points half a px apart or nearer would be a pin
    assert_same(parse_arrows(arrows_to_coord_str(arrows), **SIZE), arrows)


def test_coord_str_keeps_a_bend():
    arrows = drawn(BEND, STRAIGHT, PIN)
    assert_same(parse_arrows(arrows_to_coord_str(arrows), **SIZE), arrows)


def test_coord_str_is_written_nested_in_px():
    assert json.loads(arrows_to_coord_str(drawn(STRAIGHT))) == [[{"x": 50.0, "y": 50.0}, {"x": 150.0, "y": 25.0}]]


def test_coord_str_of_no_arrows_is_empty():
    assert arrows_to_coord_str(drawn()) == ""


@pytest.mark.parametrize(
    "text",
    [
        '[{"x": 50, "y": 50}, {"x": 150, "y": 25}]',
        "[[{'x': 50, 'y': 50}, {'x': 150, 'y': 25}]]",
        "[[[50, 50], [150, 25]]]",
        "50,50,150,25\n",
        "[[[50,50],[75,43.75],[100,37.5],[150,25]]]",
    ],
)
def test_the_formats_of_other_packs(text):
    assert_same(parse_arrows(text, **SIZE), drawn(STRAIGHT))


def test_motion_i2v_lines():
    assert_same(parse_arrows("50,50,150,25\n\n100, 50, 100, 50\n", **SIZE), drawn(STRAIGHT, PIN))


def test_a_straight_track_of_whole_px_becomes_a_straight_arrow():
    track = [{"x": round(10 + 1.3 * i), "y": round(20 + 0.4 * i)} for i in range(121)]
    (arrow,) = parse_arrows(json.dumps(track), **SIZE).arrows
    assert len(arrow.points) == 2


def test_a_track_there_and_back_keeps_its_points():
    (arrow,) = parse_arrows("[[[10,10],[50,10],[10,10]]]", **SIZE).arrows
    assert len(arrow.points) == 3
    slowly = [[10 + 2 * i, 20] for i in range(40)] + [
        [88 - 0.45 * i, 20] for i in range(70)
    ]  # less than 0.5 px a sample
    (arrow,) = parse_arrows(json.dumps([slowly]), **SIZE).arrows
    assert len(arrow.points) == 110


def test_a_track_outside_is_clipped_and_reported():
    parsed = parse_arrows("[[[10,10],[300,10]]]", **SIZE)
    assert parsed.arrows[0].points == ((0.05, 0.1), (1.0, 0.1))
    assert parsed.notes == ("arrow a1: point 1 at (1.5, 0.1) clipped to the border",)


@pytest.mark.parametrize("strength", [0.25, 0.5, 2.0])
def test_coord_str_ends_where_the_strength_leads(strength):
    (track,) = json.loads(arrows_to_coord_str(drawn(((0.1, 0.5), (0.2, 0.5)), strength=strength)))
    assert track[-1] == {"x": pytest.approx(20 + 20 * strength), "y": 50}


def test_coord_str_of_a_bend_at_half_strength_stops_on_the_path():
    (track,) = json.loads(arrows_to_coord_str(drawn(BEND, strength=0.5)))  # 100 px right, then 80 down: 90 in all
    assert [(p["x"], p["y"]) for p in track] == [(20, 10), (pytest.approx(110), pytest.approx(10))]


def test_coordinates_with_a_point_a_frame():
    _, text = arrows_to_tracks(drawn(STRAIGHT, PIN), frames=5)
    tracks = json.loads(text)
    assert [len(t) for t in tracks] == [5, 5]
    assert [p["x"] for p in tracks[0]] == pytest.approx([50, 75, 100, 125, 150])
    assert tracks[1] == [{"x": 100, "y": 50}] * 5


def test_coordinates_of_one_arrow_are_flat_and_of_none_an_empty_list():
    assert json.loads(arrows_to_tracks(drawn(PIN), frames=2)[1]) == [{"x": 100, "y": 50}] * 2
    assert arrows_to_tracks(drawn(), frames=2)[1] == "[]"


def test_tracks_on_another_grid():
    tracks, text = arrows_to_tracks(drawn(STRAIGHT), frames=3, width=400, height=50)
    assert tracks["track_path"][:, 0].tolist() == [[100, 25], [200, 18.75], [300, 12.5]]
    assert [(p["x"], p["y"]) for p in json.loads(text)] == [(100, 25), (200, 18.75), (300, 12.5)]


def test_a_track_faster_than_the_diagonal_is_refused_by_name():
    with pytest.raises(ValueError, match="arrow a1: moves .* px a frame, allowed at most the diagonal, 224 px"):
        arrows_to_tracks(drawn(STRAIGHT, strength=1e30), frames=3)


def test_one_column_of_visibility_holds_for_all_tracks():
    path = torch.tensor([[[0.0, 0], [0, 50]], [[50, 0], [50, 50]], [[100, 0], [100, 50]]])
    visible = torch.tensor([[True], [True], [False]])
    found = arrows_from_tracks({"track_path": path, "track_visibility": visible}, **SIZE).arrows
    assert [(a.points, a.strength) for a in found] == [(((0, 0), (0.25, 0)), 2), (((0, 0.5), (0.25, 0.5)), 2)]


def test_tracks_round_trip():
    arrows = drawn(STRAIGHT, PIN)
    tracks, _ = arrows_to_tracks(arrows, frames=25)
    assert tracks["track_path"].shape == (25, 2, 2) and tracks["track_path"].dtype == torch.float32
    assert tracks["track_visibility"].dtype == torch.bool and tracks["track_visibility"].all()
    assert_same(arrows_from_tracks(tracks, **SIZE), arrows)


def test_tracks_move_at_a_constant_speed_along_a_bend():
    path = arrows_to_tracks(drawn(BEND), frames=19)[0]["track_path"][:, 0]  # 180 px in 18 steps
    assert path[5].tolist() == pytest.approx([70, 10]) and path[14].tolist() == pytest.approx([120, 50])


def test_a_track_that_leaves_is_invisible_there_and_comes_back_with_its_speed():
    arrows = drawn(((0.5, 0.5), (0.75, 0.5)), strength=4.0)  # 50 px * 4: leaves after half the way
    tracks, _ = arrows_to_tracks(arrows, frames=9)
    assert tracks["track_visibility"][:, 0].tolist() == [True] * 5 + [False] * 4
    (arrow,) = arrows_from_tracks(tracks, **SIZE).arrows
    assert arrow.points == ((0.5, 0.5), (1.0, 0.5)) and arrow.strength == 2.0  # 100 px in half the time


def test_tracks_of_no_arrows_hold_one_invisible_track():
    tracks, _ = arrows_to_tracks(drawn(), frames=4)
    assert tracks["track_path"].shape == (4, 1, 2) and not tracks["track_visibility"].any()
    read = arrows_from_tracks(tracks, **SIZE)
    assert read.arrows == () and read.notes == ("track 1 is never visible and was left out",)


@pytest.mark.parametrize(
    ("tracks", "message"),
    [
        ([], "got list, allowed 'track_path' and 'track_visibility'"),
        ({"track_path": torch.zeros(2, 1, 2)}, r"got \['track_path'\]"),
        ({"track_path": torch.zeros(2, 1, 3), "track_visibility": torch.ones(2, 1)}, r"track_path is \[2, 1, 3\]"),
        ({"track_path": torch.zeros(1, 1, 2), "track_visibility": torch.ones(1, 1)}, "T of 2 or more"),
        ({"track_path": torch.zeros(2, 1, 2), "track_visibility": torch.ones(2, 3)}, r"track_visibility is \[2, 3\]"),
        (
            {"track_path": torch.full((2, 1, 2), torch.nan), "track_visibility": torch.ones(2, 1)},
            "arrow a1, point 0: x = nan",
        ),
        ({"track_path": torch.zeros(2, 4097, 2), "track_visibility": torch.ones(2, 4097)}, "got 4097"),
    ],
)
def test_bad_tracks_are_refused_by_name(tracks, message):
    with pytest.raises(ValueError, match=message):
        arrows_from_tracks(tracks, **SIZE)


def test_frames_below_two_are_refused():
    with pytest.raises(ValueError, match="frames: got 1"):
        arrows_to_tracks(drawn(PIN), frames=1)


def test_given_tracks_are_not_changed():
    tracks, _ = arrows_to_tracks(drawn(STRAIGHT), frames=5)
    before = {key: value.clone() for key, value in tracks.items()}
    arrows_from_tracks(tracks, **SIZE)
    assert all(torch.equal(tracks[key], before[key]) for key in before)


def test_tracks_keep_the_arrows_timing():
    arrows = MotionArrows((Arrow("a", ((0.25, 0.5), (0.75, 0.5)), timing="sway"),), 160, 90)
    path = arrows_to_tracks(arrows, frames=8)[0]["track_path"]
    np.testing.assert_allclose(path[:, 0, 0], 40 + 80 * (1 - np.cos(2 * np.pi * np.arange(8) / 8)) / 2, rtol=1e-6)
