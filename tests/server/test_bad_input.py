"""What bad input gets (method.md): an error of the node that names the input, what it got and what is allowed."""

import json
import math

import pytest
from comfy_client import ComfyError
from prompts import changed, graph


def arrows(*points_of_each, **entry):
    entries = [{"id": f"a{i}", "points": points, "strength": 1.0} | entry for i, points in enumerate(points_of_each)]
    return json.dumps({"version": 1, "ref": [64, 64], "arrows": entries})


TO_THE_RIGHT = [[0.2, 0.5], [0.6, 0.5]]


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("draw__arrows", arrows([[math.nan, 0.5], [0.6, 0.5]]), r"arrows: not JSON: NaN is no number of JSON"),
        ("draw__arrows", arrows([[0.2, math.inf], [0.6, 0.5]]), r"arrows: not JSON: Infinity is no number of JSON"),
        (
            "draw__arrows",
            arrows([[0.2, 123456789], [0.6, 0.5]]).replace("123456789", "1e400"),
            r"arrow a0, point 0: y = inf, allowed a finite number",
        ),
        ("draw__arrows", arrows(TO_THE_RIGHT, strength=-1.0), r"arrow a0: strength = -1, allowed 0 or more"),
        ("draw__arrows", arrows(*[TO_THE_RIGHT] * 4097), r"arrows: got 4097, allowed at most 4096"),
        ("draw__arrows", " " * 1_100_000, r"arrows: got 1,100,000 bytes of text, allowed at most"),
        ("draw__arrows", "[" * 9 + "]" * 9, r"arrows: nested deeper than 8"),
        ("draw__arrows", '{"version": 99, "arrows": []}', r"arrows: version = 99, allowed 1"),
        ("draw__arrows", "right, please", r"arrows"),
        (
            "draw__arrows",
            arrows(TO_THE_RIGHT, strength=1000.0),
            r"arrow a0: moves 6400 px a frame, allowed at most the",
        ),
        ("animate__frames", 1, r"frames: got 1, allowed 0"),
        ("load__adapter", "../tiny.safetensors", r"adapter"),
        ("load__model", "gone", r"model.*gone"),
        ("load_refiner__refiner_name", "gone.safetensors", r"refiner.*gone"),
        ("animate__steps", 0, r"min of 1: steps"),
        ("extend__gamma", 1.5, r"max of 1.0: gamma"),
        ("extend__total_frames", 0, r"min of 1: total_frames"),
    ],
    ids=[
        "nan",
        "infinite",
        "enormous",
        "negative",
        "too many",
        "too long",
        "too deep",
        "version",
        "no JSON",
        "too fast",
        "one frame",
    ]
    + ["escape", "model", "refiner", "steps", "gamma", "total_frames"],
)
def test_an_error_names_the_input(client, still, field, value, message):
    with pytest.raises(ComfyError, match=message):
        client.run(graph(still, **{field: value}))


def two_pictures(prompt):
    prompt["two"] = {"class_type": "ImageBatch", "inputs": {"image1": ["still", 0], "image2": ["still", 0]}}
    return prompt


@pytest.mark.parametrize("node", ["draw", "refine", "animate"])
def test_a_batch_is_refused_where_one_picture_is_meant(client, still, node):
    prompt = changed(two_pictures(graph(still)), **{f"{node}__image": ["two", 0]})
    with pytest.raises(ComfyError, match=r"image: got a batch of 2 images, allowed exactly 1"):
        client.run(prompt)


def test_arrows_outside_the_picture_are_clipped_and_reported(client, still):
    result = client.run(graph(still, draw__arrows=arrows([[0.5, 0.5], [1.5, 0.5]])))
    assert "clipped" in result.outputs["draw"]["text"][0]


def test_no_arrows_give_a_still_finite_video(client, still):
    result = client.run(graph(still, draw__arrows=""))
    assert len(result.outputs["preview"]["images"]) == 12


@pytest.mark.parametrize(("width", "height"), [(80, 72), (50, 130), (65, 63)])
def test_sizes_that_64_does_not_divide_come_back_as_they_were(client, still, server, width, height):
    from PIL import Image

    prompt = graph(still)
    prompt["odd"] = {
        "class_type": "ImageScale",
        "inputs": {
            "image": ["still", 0],
            "upscale_method": "bilinear",
            "width": width,
            "height": height,
            "crop": "disabled",
        },
    }
    prompt = changed(prompt, draw__image=["odd", 0], refine__image=["odd", 0], animate__image=["odd", 0])
    frames = client.run(prompt).outputs["preview"]["images"]
    assert len(frames) == 12
    assert Image.open(server.base / "temp" / frames[0]["filename"]).size == (width, height)


def test_several_masks_are_refused_where_one_is_meant(client, still):
    prompt = two_pictures(graph(still))
    prompt["masks"] = {"class_type": "ImageToMask", "inputs": {"image": ["two", 0], "channel": "red"}}
    prompt["dense"]["inputs"]["region"] = ["masks", 0]
    with pytest.raises(ComfyError, match=r"region: got a batch of 2 masks, allowed exactly 1"):
        client.run(prompt)


def test_a_sparse_flow_that_was_not_densified_is_warned_of(client, still):
    prompt = changed(graph(still), encode__flow=["sparse", 0])
    result = client.run(prompt)
    assert "put Densify Flow between" in result.outputs["animate"]["text"][0]


def test_the_largest_seed_and_one_pixel_make_a_video(client, still):
    prompt = graph(still, animate__seed=2**64 - 1, extend__seed=2**64 - 1)
    prompt["one"] = {
        "class_type": "ImageScale",
        "inputs": {"image": ["still", 0], "upscale_method": "area", "width": 1, "height": 1, "crop": "disabled"},
    }
    prompt = changed(prompt, draw__image=["one", 0], refine__image=["one", 0], animate__image=["one", 0])
    assert len(client.run(prompt).outputs["preview"]["images"]) == 12
