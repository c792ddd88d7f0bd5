"""scripts/api_form.py: a workflow file becomes the prompt that the editor itself would queue."""

import copy

import pytest
from api_form import set_widget, to_api_form

OBJECT_INFO = {
    "Load": {
        "input": {"required": {"file": [["a.png", "b.png"], {"image_upload": True}]}},
        "input_order": {"required": ["file"]},
        "output": ["IMAGE", "MASK"],
        "display_name": "Load Picture",
    },
    "Sample": {
        "input": {
            "required": {
                "image": ["IMAGE", {}],
                "seed": ["INT", {"min": 0, "max": 100}],
                "steps": ["INT", {"min": 1, "max": 20}],
                "mode": ["COMBO", {"options": ["x", "y"]}],
            },
            "optional": {"mask": ["MASK", {}], "text": ["STRING", {"forceInput": True}], "loop": ["BOOLEAN", {}]},
        },
        "input_order": {"required": ["image", "seed", "steps", "mode"], "optional": ["mask", "text", "loop"]},
        "output": ["IMAGE"],
        "display_name": "Sample",
    },
}
WORKFLOW = {
    "nodes": [
        {
            "id": 1,
            "type": "Load",
            "outputs": [{"name": "IMAGE", "links": [7]}, {"name": "MASK", "links": None}],
            "widgets_values": ["a.png", "image"],
        },
        {
            "id": 2,
            "type": "Sample",
            "title": "My sampler",
            "inputs": [{"name": "image", "type": "IMAGE", "link": 7}, {"name": "mask", "type": "MASK", "link": None}],
            "outputs": [{"name": "IMAGE", "links": []}],
            "widgets_values": [42, "randomize", 5, "y", True],
        },
        {"id": 3, "type": "Note", "widgets_values": ["hello"]},
    ],
    "links": [[7, 1, 0, 2, 0, "IMAGE"]],
}


def test_values_links_and_titles():
    assert to_api_form(WORKFLOW, OBJECT_INFO) == {
        "1": {"class_type": "Load", "inputs": {"file": "a.png"}, "_meta": {"title": "Load Picture"}},
        "2": {
            "class_type": "Sample",
            "inputs": {"image": ["1", 0], "seed": 42, "steps": 5, "mode": "y", "loop": True},
            "_meta": {"title": "My sampler"},
        },
    }


def test_set_widget_counts_the_control_after_the_seed():
    workflow = copy.deepcopy(WORKFLOW)
    set_widget(workflow, OBJECT_INFO, "Sample", "steps", 9)
    assert workflow["nodes"][1]["widgets_values"] == [42, "randomize", 9, "y", True]
    with pytest.raises(ValueError, match="Missing"):
        set_widget(workflow, OBJECT_INFO, "Missing", "steps", 9)


def broken(change):
    workflow = copy.deepcopy(WORKFLOW)
    change(workflow["nodes"][0], workflow["nodes"][1], workflow["links"][0])
    return workflow


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda load, sample, link: load.update(type="Gone"), "no node type 'Gone'"),
        (lambda load, sample, link: sample.update(mode=4), "Sample.*mode 4"),
        (lambda load, sample, link: sample["inputs"][0].update(link=None), "Sample.*image is not connected"),
        (lambda load, sample, link: sample["widgets_values"].append(1), "Sample.*6 widget values, allowed 5"),
        (lambda load, sample, link: sample["widgets_values"].pop(), "Sample.*4 widget values, allowed 5"),
        (lambda load, sample, link: sample["widgets_values"].pop(1), "Sample.*seed is not followed"),
        (lambda load, sample, link: sample["widgets_values"].__setitem__(2, 21), "Sample.*steps = 21, max 20"),
        (lambda load, sample, link: sample["widgets_values"].__setitem__(2, "5"), "Sample.*steps = '5', allowed a INT"),
        (lambda load, sample, link: link.__setitem__(2, 1), "does not list its link 7"),
        (lambda load, sample, link: link.__setitem__(5, "MASK"), "Sample.*image takes IMAGE, link 7 of MASK"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_by_name(change, message):
    with pytest.raises(ValueError, match=message):
        to_api_form(broken(change), OBJECT_INFO)
