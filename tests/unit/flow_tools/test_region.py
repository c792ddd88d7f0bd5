import json

import pytest
import torch

from driftfield.flow_tools.region import mask_of, painted, parse_region


def text(**region):
    return json.dumps({"version": 1, "arrows": [], "region": region})


def test_runs_go_along_the_rows_outside_first():
    region = parse_region(text(size=[3, 2], runs=[1, 3, 1, 1]))
    assert region.tolist() == [[[[0.0, 1.0, 1.0], [1.0, 0.0, 1.0]]]]
    assert parse_region(text(size=[2, 1], runs=[0, 2])).tolist() == [[[[1.0, 1.0]]]]


@pytest.mark.parametrize("without", ["", " ", '{"version":1,"arrows":[]}', '[[{"x":1,"y":2}]]', "1,2,3,4"])
def test_texts_without_a_region_restrict_nothing(without):
    assert parse_region(without) is None


@pytest.mark.parametrize(
    "said, region",
    [
        ("size", {"size": [0, 4], "runs": []}),
        ("size", {"size": [4097, 1], "runs": [4097]}),
        ("size", {"size": [2.5, 2], "runs": [5]}),
        ("size", {"size": [True, 1], "runs": [1]}),
        ("size", {"size": [4], "runs": [4]}),
        ("runs = ", {"size": [2, 2], "runs": [-1, 5]}),
        ("runs = ", {"size": [2, 2], "runs": "4"}),
        ("runs = ", {"size": [2, 2], "runs": [1.5, 2.5]}),
        ("runs make 3 pixels", {"size": [2, 2], "runs": [3]}),
        ("runs make 1000000000000", {"size": [2, 2], "runs": [1000000000000]}),
    ],
)
def test_bad_regions_are_refused_by_name(said, region):
    with pytest.raises(ValueError, match=f"region: {said}"):
        parse_region(text(**region))


def test_a_region_that_is_none_and_texts_beyond_the_limits_are_refused():
    with pytest.raises(ValueError, match="region: got 3"):
        parse_region('{"version":1,"arrows":[],"region":3}')
    with pytest.raises(ValueError, match="bytes"):
        parse_region(text(size=[1, 1], runs=[1] + [0] * 400_000))


def test_pixels_are_plain_floats():
    assert parse_region(text(size=[64, 64], runs=[0, 4096])).dtype == torch.float32


@pytest.mark.parametrize(
    ("rows", "runs"),
    [([[0, 1, 1], [1, 0, 1]], [1, 3, 1, 1]), ([[1, 1]], [0, 2]), ([[0, 0]], [2]), ([[1], [0]], [0, 1, 1])],
)
def test_a_mask_is_painted_as_it_is_read(rows, runs):
    mask = torch.tensor([[rows]]).float()
    assert painted(mask) == {"size": [len(rows[0]), len(rows)], "runs": runs}
    assert torch.equal(mask_of(json.loads(json.dumps(painted(mask))), "mask"), mask)
