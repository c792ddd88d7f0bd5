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


def test_a_node_without_a_name_is_called_by_its_type():
    info = copy.deepcopy(OBJECT_INFO)
    info["Load"]["display_name"] = None
    assert to_api_form(WORKFLOW, info)["1"]["_meta"] == {"title": "Load"}


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
        (
            lambda load, sample, link: sample["widgets_values"].append(1),
            "Sample.*more values than widgets: 6, allowed 5",
        ),
        (
            lambda load, sample, link: sample["widgets_values"].__delitem__(slice(3, 5)),
            "3 widget values, allowed 4 or more",
        ),
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


# The same two core nodes, shortened, as ComfyUI 0.3.75 and as 0.33.0 declares them.
ENCODING = [
    {"key": "auto", "inputs": {"required": {}}},
    {"key": "re-encode", "inputs": {"required": {"crf": ["FLOAT", {"default": 23.0, "min": 0.0, "max": 51.0}]}}},
]
CODECS = [
    {"key": "auto", "inputs": {"required": {}}},
    {
        "key": "h264",
        "inputs": {"required": {}, "optional": {"encoding": ["COMFY_DYNAMICCOMBO_V3", {"options": ENCODING}]}},
    },
]
FORMATS = [
    {"key": key, "inputs": {"required": {"codec": ["COMFY_DYNAMICCOMBO_V3", {"options": CODECS}]}}}
    for key in ("auto", "mp4")
]


def node_info(name, required, optional, outputs):
    inputs = {"required": required, "optional": optional}
    order = {group: list(entries) for group, entries in inputs.items()}
    return {"input": inputs, "input_order": order, "output": outputs, "display_name": name}


FPS, PREFIX = ["FLOAT", {"default": 30.0, "min": 1.0, "max": 120.0}], ["STRING", {"default": "video/ComfyUI"}]
LOAD = node_info("Load Video", {"file": ["COMBO", {"options": ["a.mp4"], "video_upload": True}]}, {}, ["VIDEO"])
OLDER = {
    "LoadVideo": LOAD,
    "CreateVideo": node_info("Create Video", {"fps": FPS}, {}, ["VIDEO"]),
    "SaveVideo": node_info(
        "Save Video",
        {
            "video": ["VIDEO", {}],
            "filename_prefix": PREFIX,
            "format": ["COMBO", {"options": ["auto", "mp4"]}],
            "codec": ["COMBO", {"options": ["auto", "h264"]}],
        },
        {},
        [],
    ),
}
NEWER = {
    "LoadVideo": LOAD,
    "CreateVideo": node_info(
        "Create Video", {"fps": FPS}, {"bit_depth": ["INT", {"default": 8, "max": 10}]}, ["VIDEO"]
    ),
    "SaveVideo": node_info(
        "Save Video",
        {
            "video": ["VIDEO", {}],
            "filename_prefix": PREFIX,
            "format": ["COMFY_DYNAMICCOMBO_V3", {"options": FORMATS}],
        },
        {"codec": ["COMFY_DYNAMICCOMBO_V3", {"hidden": True, "options": CODECS}]},
        [],
    ),
}


def video_file(widgets_of: dict) -> dict:
    """Create Video to Save Video, and Load Video; the sockets of widgets as a front end that lists them does."""

    def sockets(name):
        return [{"name": widget, "widget": {"name": widget}, "link": None} for widget in widgets_of.get(name, [])]

    outputs = {"outputs": [{"name": "VIDEO", "links": [1]}]}
    video = {"name": "video", "type": "VIDEO", "link": 1}
    return {
        "nodes": [
            {"id": 1, "type": "CreateVideo", "inputs": sockets("create"), **outputs},
            {"id": 2, "type": "SaveVideo", "inputs": [video, *sockets("save")]},
            {"id": 3, "type": "LoadVideo", "inputs": sockets("load"), "outputs": [{"name": "VIDEO", "links": []}]},
        ],
        "links": [[1, 1, 0, 2, 0, "VIDEO"]],
    }


def with_values(workflow, create, save, load=("a.mp4", "image")):
    for node, values in zip(workflow["nodes"], (create, save, load), strict=True):
        node["widgets_values"] = list(values)
    return workflow


def inputs_of(workflow, object_info):
    prompt = to_api_form(workflow, object_info)
    return [prompt[node_id]["inputs"] for node_id in ("1", "2", "3")]


LISTED_BY_THE_NEWER = {
    "create": ["fps", "bit_depth"],
    "save": [
        "filename_prefix",
        "format",
        "format.codec",
        "format.codec.encoding",
        "format.codec.encoding.crf",
        "codec",
    ],
    "load": ["file", "video-preview"],
}


def test_an_older_file_gets_what_a_newer_host_has_added():
    workflow = with_values(video_file({}), [12.0], ["clip", "mp4", "h264"])
    create, save, load = inputs_of(workflow, NEWER)
    assert create == {"fps": 12.0, "bit_depth": 8}
    assert save == {
        "video": ["1", 0],
        "filename_prefix": "clip",
        "format": "mp4",
        "format.codec": "h264",
        "format.codec.encoding": "auto",
        "codec": "auto",
    }
    assert load == {"file": "a.mp4"}


def test_a_newer_file_names_the_inputs_of_a_dynamic_combo_by_their_path():
    values = ["clip", "mp4", "h264", "re-encode", 18.0, "auto"]
    workflow = with_values(video_file(LISTED_BY_THE_NEWER), [12.0, 10], values, ["a.mp4", "image", ""])
    create, save, load = inputs_of(workflow, NEWER)
    assert create == {"fps": 12.0, "bit_depth": 10}
    assert save == {
        "video": ["1", 0],
        "filename_prefix": "clip",
        "format": "mp4",
        "format.codec": "h264",
        "format.codec.encoding": "re-encode",
        "format.codec.encoding.crf": 18.0,
        "codec": "auto",
    }
    assert load == {"file": "a.mp4"}


def test_a_newer_file_on_an_older_host_loses_only_what_that_host_lacks():
    values = ["clip", "mp4", "h264", "re-encode", 18.0, "auto"]
    workflow = with_values(video_file(LISTED_BY_THE_NEWER), [12.0, 10], values, ["a.mp4", "image", ""])
    create, save, load = inputs_of(workflow, OLDER)
    assert create == {"fps": 12.0}
    assert save == {"video": ["1", 0], "filename_prefix": "clip", "format": "mp4", "codec": "h264"}
    assert load == {"file": "a.mp4"}


def test_a_dynamic_combo_is_set_by_its_path_and_refuses_what_it_has_not():
    workflow = with_values(video_file({}), [12.0], ["clip", "mp4", "auto"])
    set_widget(workflow, NEWER, "SaveVideo", "format.codec", "h264")
    assert workflow["nodes"][1]["widgets_values"] == ["clip", "mp4", "h264"]
    with pytest.raises(ValueError, match=r"SaveVideo \(node 2\): has no widget format.crf, allowed .*format.codec"):
        set_widget(workflow, NEWER, "SaveVideo", "format.crf", 18.0)
    with pytest.raises(ValueError, match="CreateVideo.*the file is older than the widget bit_depth"):
        set_widget(workflow, NEWER, "CreateVideo", "bit_depth", 10)
    set_widget(workflow, NEWER, "SaveVideo", "format", "avi")
    with pytest.raises(ValueError, match=r"SaveVideo \(node 2\): format = 'avi', allowed auto, mp4"):
        to_api_form(workflow, NEWER)


def test_a_link_into_an_input_of_a_dynamic_combo_wins_over_its_value():
    object_info = NEWER | {"Number": node_info("Number", {}, {}, ["FLOAT"])}
    values = ["clip", "mp4", "h264", "re-encode", 18.0, "auto"]
    workflow = with_values(video_file(LISTED_BY_THE_NEWER), [12.0, 8], values)
    workflow["nodes"].append({"id": 4, "type": "Number", "outputs": [{"name": "FLOAT", "links": [2]}]})
    workflow["links"].append([2, 4, 0, 2, 5, "FLOAT"])
    workflow["nodes"][1]["inputs"][5]["link"] = 2
    assert inputs_of(workflow, object_info)[1]["format.codec.encoding.crf"] == ["4", 0]


def test_a_file_without_a_later_widget_means_what_it_meant():
    widgets = {"seed": ["INT", {"default": 0}], "size": ["INT", {"default": -1, "absent": 0}]}
    info = {"Sized": {"input": {"required": {}, "optional": widgets}, "input_order": {"optional": [*widgets]}}}
    info["Sized"] |= {"output": [], "display_name": "Sized"}
    node = {"id": 1, "type": "Sized", "inputs": [], "widgets_values": [7, "fixed"]}
    for values, size in (([7, "fixed"], 0), ([7, "fixed", -1], -1)):
        prompt = to_api_form({"nodes": [node | {"widgets_values": values}], "links": []}, info)
        assert prompt["1"]["inputs"] == {"seed": 7, "size": size}
