"""A workflow file (what ComfyUI's editor saves) as a prompt (what `/prompt` takes), by way of `/object_info`."""

from __future__ import annotations

from dataclasses import dataclass

NOTES = {"Note", "MarkdownNote"}  # live in the editor alone
DYNAMIC_COMBO = "COMFY_DYNAMICCOMBO_V3"  # a combo whose value brings further inputs with it, `combo.input`
WIDGET_TYPES = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO", DYNAMIC_COMBO}
CONTROLS = ("fixed", "increment", "decrement", "randomize", "increment-wrap")
UPLOAD_BUTTONS = ("image", "video", "audio", "")  # the value that an upload button itself saves, after its file name's


def to_api_form(workflow: dict, object_info: dict) -> dict:
    """{node id: {"class_type", "inputs", "_meta"}}.

    ValueError names the node and the input when the file and the running ComfyUI disagree: an unknown node, a link
    between types that do not fit, an unconnected required socket, or more or fewer widget values than widgets. A file
    that another version of ComfyUI saved fits where the editor's own reading of it would: see `_inputs`.
    Subgraphs, muted and bypassed nodes are refused: the pack's own workflows have none.
    """
    nodes = {node["id"]: node for node in workflow["nodes"] if node["type"] not in NOTES}
    links = {link[0]: link for link in workflow["links"]}
    prompt = {}
    for node in nodes.values():
        if node["type"] not in object_info:
            raise ValueError(f"node {node['id']}: ComfyUI knows no node type {node['type']!r}")
        if node.get("mode", 0) != 0:
            raise ValueError(f"{_name(node)}: mode {node['mode']} (muted or bypassed), allowed 0")
        info = object_info[node["type"]]
        declared = _inputs(node, info)
        for entry in filter(_is_widget, declared):
            _check_value(node, entry)
        inputs = {entry.name: entry.value for entry in declared if _is_widget(entry)}
        for socket in node.get("inputs", []):
            if socket.get("link") is not None:
                inputs[socket["name"]] = _source(node, socket, links[socket["link"]], nodes, object_info)
        for entry in declared:
            if entry.required and entry.name not in inputs:
                raise ValueError(f"{_name(node)}: required input {entry.name} is not connected")
        prompt[str(node["id"])] = {
            "class_type": node["type"],
            "inputs": inputs,
            "_meta": {"title": node.get("title") or info["display_name"] or node["type"]},
        }
    return prompt


def set_widget(workflow: dict, object_info: dict, node_type: str, name: str, value) -> None:
    """Changes a widget's value in the file, in every node of that type. ValueError if there is none."""
    nodes = [node for node in workflow["nodes"] if node["type"] == node_type]
    if not nodes:
        raise ValueError(f"the workflow has no node {node_type}")
    for node in nodes:
        widgets = {entry.name: entry for entry in _inputs(node, object_info[node_type]) if _is_widget(entry)}
        if name not in widgets:
            raise ValueError(f"{_name(node)}: has no widget {name}, allowed {', '.join(widgets)}")
        if widgets[name].position is None:
            raise ValueError(f"{_name(node)}: the file is older than the widget {name} and holds no value for it")
        node["widgets_values"][widgets[name].position] = value


@dataclass
class _Input:
    name: str  # of an input that a dynamic combo brings: "combo.input"
    kind: str
    options: dict
    required: bool
    value: object = None  # of a widget
    position: int | None = None  # in widgets_values; None: a socket, or a widget that the file is too old for


def _is_widget(entry: _Input) -> bool:
    return entry.kind in WIDGET_TYPES and not entry.options.get("forceInput")


def _inputs(node: dict, info: dict) -> list[_Input]:
    """A node's inputs, widgets with their values: the file lists these in the schema's order, without their names.

    As in the editor, widgets that the file has no value for, the last ones, have their defaults, or what is "absent":
    those that are optional or belong to a dynamic combo, since these are what a later ComfyUI adds.
    """
    values = list(node.get("widgets_values") or [])
    found, position, missing = [], 0, 0

    def walk(inputs: dict, order: dict, prefix: str, may_miss: bool) -> None:
        nonlocal position, missing
        for group in ("required", "optional"):
            for key in order.get(group, []):
                entry = _Input(prefix + key, *_kind(inputs[group][key]), required=group == "required")
                found.append(entry)
                if not _is_widget(entry):
                    continue
                if position < len(values):
                    entry.value, entry.position = values[position], position
                    position += 1
                    pass_extra_values(entry)
                else:
                    entry.value = _default(entry)
                    missing += entry.required and not may_miss
                if entry.kind == DYNAMIC_COMBO:
                    brought = _brought(node, entry)
                    walk(brought, brought, f"{entry.name}.", True)

    def pass_extra_values(entry: _Input) -> None:
        nonlocal position
        if _has_control_after_generate(entry):
            if position >= len(values) or values[position] not in CONTROLS:
                raise ValueError(f"{_name(node)}: {entry.name} is not followed by its control_after_generate")
            position += 1
        if any(key.endswith("_upload") and on for key, on in entry.options.items()) and position < len(values):
            position += values[position] in UPLOAD_BUTTONS

    walk(info["input"], info["input_order"], "", False)
    if missing:
        raise ValueError(f"{_name(node)}: {len(values)} widget values, allowed {position + missing} or more: {values}")
    if len(values) - position > len(_widgets_of_the_file_alone(node, found)):
        raise ValueError(f"{_name(node)}: more values than widgets: {len(values)}, allowed {position}: {values}")
    return found


def _widgets_of_the_file_alone(node: dict, found: list[_Input]) -> set[str]:
    """Names of widgets that the file lists and the running ComfyUI lacks: one of another version saved it.

    The editor leaves out what they hold, and so do we: their values are the last ones.
    """
    listed = {socket["widget"]["name"] for socket in node.get("inputs", []) if socket.get("widget")}
    return listed - {entry.name for entry in found}


def _kind(declared: list) -> tuple[str, dict]:
    """(type, options) of an input as /object_info declares it."""
    kind, *rest = declared
    options = rest[0] if rest else {}
    if isinstance(kind, list):  # how V1 nodes say COMBO
        return "COMBO", {**options, "options": kind}
    return kind, options


def _brought(node: dict, combo: _Input) -> dict:
    """{"required": …, "optional": …}: the inputs that a dynamic combo's value brings with it."""
    choices = {option["key"]: option["inputs"] for option in combo.options["options"]}
    if combo.value not in choices:
        raise ValueError(f"{_name(node)}: {combo.name} = {combo.value!r}, allowed {', '.join(choices)}")
    return choices[combo.value]


def _default(entry: _Input):
    if "absent" in entry.options:  # what a node of this pack did before it had the widget
        return entry.options["absent"]
    if "default" in entry.options:
        return entry.options["default"]
    if entry.kind == DYNAMIC_COMBO:
        return entry.options["options"][0]["key"]
    if entry.kind == "COMBO":
        return entry.options["options"][0] if entry.options["options"] else None
    return {"INT": 0, "FLOAT": 0.0, "STRING": "", "BOOLEAN": False}[entry.kind]


def _has_control_after_generate(entry: _Input) -> bool:
    seed = entry.kind == "INT" and entry.name in ("seed", "noise_seed")
    return bool(entry.options.get("control_after_generate")) or seed


def _check_value(node: dict, entry: _Input) -> None:
    name, kind, options, value = entry.name, entry.kind, entry.options, entry.value
    python_types = {"INT": (int,), "FLOAT": (int, float), "STRING": (str,), "BOOLEAN": (bool,)}.get(kind)
    if python_types and (not isinstance(value, python_types) or (isinstance(value, bool) and kind != "BOOLEAN")):
        raise ValueError(f"{_name(node)}: {name} = {value!r}, allowed a {kind}")
    for bound, outside in (("min", lambda low: value < low), ("max", lambda high: value > high)):
        if kind in ("INT", "FLOAT") and options.get(bound) is not None and outside(options[bound]):
            raise ValueError(f"{_name(node)}: {name} = {value}, {bound} {options[bound]}")


def _source(node: dict, socket: dict, link: list, nodes: dict, object_info: dict) -> list:
    """["source node id", output index] of a link, whose two ends and type must agree with /object_info."""
    _, source_id, source_slot, target_id, target_slot, link_type = link
    if target_id != node["id"] or node["inputs"][target_slot] is not socket:
        raise ValueError(f"{_name(node)}: link {link[0]} says that it ends in node {target_id}, input {target_slot}")
    if source_id not in nodes:
        raise ValueError(f"{_name(node)}: {socket['name']} comes from node {source_id}, which is not in the file")
    source = nodes[source_id]
    outputs = object_info[source["type"]]["output"] if source["type"] in object_info else []
    if source_slot >= len(outputs):
        raise ValueError(f"{_name(source)}: has {len(outputs)} outputs, link {link[0]} starts at number {source_slot}")
    if link[0] not in (source["outputs"][source_slot].get("links") or []):
        raise ValueError(f"{_name(source)}: output {source_slot} does not list its link {link[0]}")
    given, _ = _kind([outputs[source_slot]])
    taken = _input_type(node, socket["name"], object_info[node["type"]])
    fit = "*" in (taken, given) or set(given.split(",")) & set(taken.split(","))
    if not fit or link_type not in (given, "*"):
        raise ValueError(f"{_name(node)}: {socket['name']} takes {taken}, link {link[0]} of {link_type} brings {given}")
    return [str(source_id), source_slot]


def _input_type(node: dict, name: str, info: dict) -> str:
    for entry in _inputs(node, info):
        if entry.name == name:
            return entry.kind
    raise ValueError(f"{_name(node)}: has no input {name}")


def _name(node: dict) -> str:
    return f"{node['type']} (node {node['id']})"
