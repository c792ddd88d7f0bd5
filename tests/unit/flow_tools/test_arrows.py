import json
import math
from dataclasses import asdict
from pathlib import Path

import fuzz_arrows
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftfield.flow_tools.arrows import (
    Arrow,
    MotionArrows,
    along_path,
    parse_arrows,
    path_length,
    path_px,
)
from driftfield.flow_tools.region import parse_region

SIZE = {"width": 640, "height": 480}
unit = st.floats(0, 1)
an_arrow = st.builds(
    Arrow,
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    st.lists(st.tuples(unit, unit), min_size=1, max_size=6).map(tuple),
    st.floats(0, 100),
)


def editor(*arrows, **more):
    return json.dumps({"version": 1, "ref": [640, 480], "arrows": list(arrows), **more})


@settings(max_examples=60, deadline=None)
@given(st.lists(an_arrow, max_size=5).map(tuple))
def test_arrows_are_read_as_they_are_written(arrows):
    assert parse_arrows(editor(*map(asdict, arrows)), **SIZE) == MotionArrows(arrows, 640, 480)


@pytest.mark.parametrize("text", ["", "  \n", "[]", editor()])
def test_nothing_drawn(text):
    assert parse_arrows(text, **SIZE) == MotionArrows((), 640, 480)


def test_defaults_of_id_and_strength():
    parsed = parse_arrows(editor({"points": [[0, 0], [1, 1]]}, {"points": [[0.5, 0.5]]}), **SIZE)
    assert parsed.arrows == (Arrow("a1", ((0, 0), (1, 1)), 1.0), Arrow("a2", ((0.5, 0.5),), 1.0))


def test_points_outside_are_clipped_and_reported():
    parsed = parse_arrows(editor({"id": "wind", "points": [[0.5, 0.5], [1.25, -0.5]]}), **SIZE)
    assert parsed.arrows[0].points == ((0.5, 0.5), (1.0, 0.0))
    assert parsed.notes == ("arrow wind: point 1 at (1.25, -0.5) clipped to the border",)


def test_another_aspect_ratio_is_reported():
    parsed = parse_arrows(editor({"points": [[0, 0], [1, 1]]}), width=512, height=512)
    assert parsed.notes == ("drawn on 640x480, stretched to 512x512, which has another shape",)


POINTS = [[0.1, 0.1], [0.2, 0.2]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("hello", "line 1: got 'hello', allowed JSON, or lines startX,startY,endX,endY"),
        ("12", "line 1"),
        ('{"arrows": []}', "version = None, allowed 1"),
        ('{"version": 3, "arrows": []}', "version = 3, allowed 1 or 2"),
        ('{"version": true, "arrows": []}', "version = True, allowed 1"),
        ('{"version": 1}', "'arrows' = None, allowed a list"),
        ('{"version": 1, "ref": [0, 5], "arrows": []}', "'ref' = \\[0, 5\\], allowed \\[width, height\\]"),
        (editor(5), "arrow 0: got 5, allowed an object"),
        (editor({"id": 7, "points": POINTS}), "arrow 0: id = 7, allowed text"),
        (editor({"points": []}), "arrow a1: points = \\[\\], allowed a list of one or more"),
        (editor({"points": None}), "arrow a1: points = None"),
        (editor({"points": [[1]]}), "arrow a1, point 0: got \\[1\\], allowed a pair"),
        (editor({"points": [[0, "1"]]}), "arrow a1, point 0: y = '1', allowed a finite number"),
        (editor({"points": [[0, True]]}), "arrow a1, point 0: y = True"),
        (editor({"points": [[0, 0], [math.nan, 0]]}), "not JSON: NaN is no number of JSON"),
        (editor({"points": [[0, 0], [0, -math.inf]]}), "not JSON: -Infinity is no number"),
        (editor({"points": POINTS}).replace("0.1", "1e999"), "arrow a1, point 0: x = inf"),
        (editor({"points": POINTS}).replace("0.1", "9" * 400), "arrow a1, point 0: x = inf"),
        (editor({"points": POINTS}).replace("0.1", "9" * 5000), "arrow a1, point 0: x = inf"),
        (editor({"points": POINTS, "strength": -1}), "arrow a1: strength = -1, allowed 0 or more"),
        (editor({"points": POINTS, "strength": math.nan}), "not JSON: NaN is no number"),
        ("[" * 9 + "]" * 9, "nested deeper than 8"),
        ("[" * 200_000, "nested deeper than 8"),
        ('{"a":' * 9 + "1" + "}" * 9, "nested deeper than 8"),
        (" " * (1024 * 1024 + 1), "got 1,048,577 bytes of text, allowed at most 1,048,576"),
        ("é" * 600_000, "got 1,200,000 bytes"),
        (json.dumps([[[1, 1]]] * 4097), "got 4097, allowed at most 4096"),
        ('[{"x": 1, "y": 2}, {"x": 3}]', "arrow a1, point 1: y = None, allowed a finite number"),
        ("[1, 2]", "arrow a1: points = 1"),
        ("1,2,3", "line 1"),
        ("1,2,3,4\n1,2,3,x", "line 2"),
        ("1,2,nan,4", "line 1: got '1,2,nan,4'"),
    ],
)
def test_bad_input_is_refused_by_name(text, message):
    with pytest.raises(ValueError, match=message):
        parse_arrows(text, **SIZE)


CASES = json.loads((Path(__file__).absolute().parents[2] / "arrow_texts.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", CASES, ids=[case["what"] for case in CASES])
def test_the_node_reads_as_the_editor_does(case):
    def read():
        parse_region(case["text"])
        return parse_arrows(case["text"], width=case["width"], height=case["height"]).arrows

    if case["arrows"] == "error":
        with pytest.raises(ValueError, match="arrow|region|object"):
            read()
        return
    found, expected = read(), case["arrows"]
    assert [len(arrow.points) for arrow in found] == [len(arrow["points"]) for arrow in expected]
    for arrow, right in zip(found, expected, strict=True):
        np.testing.assert_allclose(arrow.points, right["points"], rtol=0, atol=1e-9)
        assert arrow.strength == right["strength"]
        assert (arrow.object, arrow.timing) == (right.get("object"), right.get("timing", "steady"))


def test_what_numbers_in_0_to_1_were_taken_for_is_noted():
    def notes(text):
        return parse_arrows(text, width=160, height=90).notes

    assert notes("[[[0.1,0.2],[0.5,0.2]]]") == (
        "numbers from 0 to 1, read as fractions of the image's width and height",
    )
    (note,) = notes(json.dumps([{"x": 1 - x / 90, "y": 1 - y / 90} for x, y in [(101, 12), (37, 40)]]))
    assert note.startswith("read as the normalized_str of KJNodes' Spline Editor")
    assert notes("[[[0,0],[1,1]]]") == ()


def test_escapes_without_an_end_are_refused_at_once():
    with pytest.raises(ValueError, match="not JSON"):
        parse_arrows('["' + '\\"' * 400_000, **SIZE)


def test_odd_texts_give_a_finite_field_or_a_message():
    counts, failures = fuzz_arrows.run(300, seed=1)
    assert not failures
    assert counts["field"] > 30 and counts["refused"] > 30


def test_not_text_is_refused():
    with pytest.raises(ValueError, match="got NoneType, allowed text"):
        parse_arrows(None, **SIZE)


@pytest.mark.parametrize("size", [(0, 5), (5, -1), (5.0, 5), (True, 5)])
def test_bad_reference_sizes_are_refused(size):
    with pytest.raises(ValueError, match="reference image"):
        parse_arrows("", width=size[0], height=size[1])


def test_brackets_inside_strings_are_not_nesting():
    assert parse_arrows(editor({"id": '[[[[[[[[[[\\"[', "points": POINTS}), **SIZE).arrows[0].id == '[[[[[[[[[[\\"['


def test_as_many_arrows_as_allowed():
    assert len(parse_arrows(json.dumps([[[1, 1]]] * 4096), **SIZE).arrows) == 4096


@settings(max_examples=200, deadline=None)
@given(
    st.text(max_size=60)
    | st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=3),
        lambda x: (
            st.lists(x, max_size=3) | st.dictionaries(st.sampled_from(["x", "y", "version", "arrows", "points"]), x)
        ),
        max_leaves=12,
    ).map(json.dumps)
)
def test_any_text_is_read_or_refused_by_name(text):
    try:
        parsed = parse_arrows(text, **SIZE)
    except ValueError as error:
        assert str(error).startswith("arrow")
    else:
        assert all(0 <= c <= 1 for a in parsed.arrows for p in a.points for c in p)


def test_path_geometry():
    path = path_px([(0, 0), (0, 0), (0.5, 0), (0.5, 1)], width=8, height=6)
    assert path.tolist() == [[0, 0], [4, 0], [4, 6]]
    assert path_length(path) == 10
    positions, tangents = along_path(path, np.array([0, 2, 4, 7, 12]))
    assert positions.tolist() == [[0, 0], [2, 0], [4, 0], [4, 3], [4, 8]]
    assert tangents.tolist() == [[1, 0], [1, 0], [0, 1], [0, 1], [0, 1]]


def test_the_smallest_arrow_has_a_direction():
    path = path_px([(0, 0), (1e-200, 0), (0.5, 0)], width=8, height=6)
    positions, tangents = along_path(path, np.array([0.0, 2.0]))
    assert len(path) == 3 and positions.tolist() == [[0, 0], [2, 0]] and tangents.tolist() == [[1, 0], [1, 0]]


def test_a_pin_has_no_length_and_no_tangent():
    path = path_px([(0.5, 0.5), (0.5, 0.5)], width=8, height=6)
    assert path.shape == (1, 2) and path_length(path) == 0
    positions, tangents = along_path(path, np.array([0.0, 3.0]))
    assert positions.tolist() == [[4, 3], [4, 3]] and not tangents.any()
