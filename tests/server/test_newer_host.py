"""The workflows against ComfyUI 0.33.0, which cannot be installed here: its core nodes as it declares them, and ours.

tests/hosts/object_info-0.33.0.json holds what a running 0.33.0 answered to /object_info, for the core nodes that the
workflows use and some that people put behind them, without tooltips and hidden inputs.
"""

import json
from pathlib import Path

import pytest
from api_form import to_api_form

ROOT = Path(__file__).absolute().parents[2]
WORKFLOWS = sorted((ROOT / "workflows").glob("*.json"))
DYNAMIC_COMBO = "COMFY_DYNAMICCOMBO_V3"
PYTHON_TYPES = {"INT": int, "FLOAT": (int, float), "STRING": str, "BOOLEAN": bool}


@pytest.fixture(scope="module")
def newer(object_info):
    core = json.loads((ROOT / "tests" / "hosts" / "object_info-0.33.0.json").read_text(encoding="utf-8"))
    return {name: info for name, info in object_info.items() if name.startswith("Driftfield")} | core


def declared(groups: dict, given: dict, prefix: str = "") -> dict:
    """{input name: (declaration, whether it is required)}, opened out by the values given, as the server does it."""
    found = {}
    for group in ("required", "optional"):
        for key, entry in groups.get(group, {}).items():
            found[prefix + key] = (entry, group == "required")
            if entry[0] == DYNAMIC_COMBO and prefix + key in given:
                (brought,) = [o["inputs"] for o in entry[1]["options"] if o["key"] == given[prefix + key]]
                found |= declared(brought, given, f"{prefix}{key}.")
    return found


def faults(prompt: dict, object_info: dict) -> list[str]:
    """What a server that declares these nodes would have against the prompt, one line a fault."""
    found = []
    for node_id, node in prompt.items():
        inputs, where = node["inputs"], f"{node['class_type']} (node {node_id})"
        entries = declared(object_info[node["class_type"]]["input"], inputs)
        found += [
            f"{where}: {name} is missing" for name, (_, needed) in entries.items() if needed and name not in inputs
        ]
        found += [f"{where}: has no input {name}" for name in inputs if name not in entries]
        for name, value in inputs.items():
            if name in entries:
                found += [
                    f"{where}: {name} {fault}" for fault in value_faults(value, entries[name][0], prompt, object_info)
                ]
    return found


def value_faults(value, declaration: list, prompt: dict, object_info: dict) -> list[str]:
    kind, options = declaration[0], declaration[1] if len(declaration) > 1 else {}
    if isinstance(value, list):
        source = object_info[prompt[value[0]]["class_type"]]
        given = source["output"][value[1]]
        fit = "*" in (given, kind) or set(str(given).split(",")) & set(str(kind).split(","))
        return [] if fit else [f"takes {kind}, is given {given}"]
    if any(key.endswith("_upload") for key in options) or str(value).endswith(".safetensors"):
        return []  # the files of a folder that is not here
    choices = kind if isinstance(kind, list) else options.get("options") if kind in ("COMBO", DYNAMIC_COMBO) else None
    if kind == DYNAMIC_COMBO:
        choices = [option["key"] for option in choices]
    if choices is not None:
        return [] if value in choices else [f"= {value!r}, allowed {choices}"]
    if kind not in PYTHON_TYPES:
        return [f"is a socket for {kind}, is given {value!r}"]
    if not isinstance(value, PYTHON_TYPES[kind]) or isinstance(value, bool) != (kind == "BOOLEAN"):
        return [f"= {value!r}, allowed a {kind}"]
    outside = kind in ("INT", "FLOAT") and not options.get("min", value) <= value <= options.get("max", value)
    return [f"= {value}, outside {options['min']} to {options['max']}"] if outside else []


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_the_newer_host_takes_the_workflow(newer, file):
    workflow = json.loads(file.read_text(encoding="utf-8"))
    assert faults(to_api_form(workflow, newer), newer) == []


def test_what_a_newer_host_would_refuse_is_found(newer):
    """The checks above can fail: one prompt with each kind of fault."""
    workflow = json.loads(WORKFLOWS[0].read_text(encoding="utf-8"))
    prompt = to_api_form(workflow, newer)
    (save,) = [node for node in prompt.values() if node["class_type"] == "SaveVideo"]
    (create,) = [node for node in prompt.values() if node["class_type"] == "CreateVideo"]
    assert (save["inputs"]["format"], save["inputs"]["format.codec"], create["inputs"]["bit_depth"]) == (
        "auto",
        "auto",
        8,
    )
    del save["inputs"]["format.codec"], save["inputs"]["filename_prefix"]
    create["inputs"] |= {"bit_depth": "8", "fps": 500.0, "speed": 2, "images": save["inputs"]["video"]}
    kinds = [fault.split("): ")[1] for fault in faults(prompt, newer)]
    assert sorted(kinds) == [
        "bit_depth = '8', allowed a INT",
        "filename_prefix is missing",
        "format.codec is missing",
        "fps = 500.0, outside 1.0 to 120.0",
        "has no input speed",
        "images takes IMAGE, is given VIDEO",
    ]
