"""A workflow file (what ComfyUI's editor saves) as a prompt (what `/prompt` takes), by way of `/object_info`."""

from __future__ import annotations

NOTES = {"Note", "MarkdownNote"}  # live in the editor alone
WIDGET_TYPES = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"}
CONTROLS = ("fixed", "increment", "decrement", "randomize", "increment-wrap")
UPLOAD_BUTTONS = ("image", "video", "audio", "")  # the value that an upload button itself saves, after its file name's


def to_api_form(workflow: dict, object_info: dict) -> dict:
    """{node id: {"class_type", "inputs", "_meta"}}.

    ValueError names the node and the input when the file and the running ComfyUI disagree: an unknown node, a link
    between types that do not fit, an unconnected required socket, or more or fewer widget values than widgets.
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
        inputs = _widget_values(node, info)
        for socket in node.get("inputs", []):
            if socket.get("link") is not None:
                inputs[socket["name"]] = _source(node, socket, links[socket["link"]], nodes, object_info)
        for name in info["input"].get("required", {}):
            if name not in inputs:
                raise ValueError(f"{_name(node)}: required input {name} is not connected")
        prompt[str(node["id"])] = {
            "class_type": node["type"],
            "inputs": inputs,
            "_meta": {"title": node.get("title") or info["display_name"]},
        }
    return prompt


def set_widget(workflow: dict, object_info: dict, node_type: str, name: str, value) -> None:
    """Changes a widget's value in the file, in every node of that type. ValueError if there is none."""
    nodes = [node for node in workflow["nodes"] if node["type"] == node_type]
    if not nodes:
        raise ValueError(f"the workflow has no node {node_type}")
    for node in nodes:
        node["widgets_values"][_positions(node, object_info[node_type])[name]] = value


def _widget_values(node: dict, info: dict) -> dict:
    """{input name: value} of a node's widgets, each checked against the schema."""
    values = {name: node["widgets_values"][position] for name, position in _positions(node, info).items()}
    for name, kind, options in _widgets(info):
        _check_value(node, name, kind, options, values[name])
    return values


def _positions(node: dict, info: dict) -> dict[str, int]:
    """{input name: index in widgets_values}: the file lists the values in the schema's order, without their names."""
    values = list(node.get("widgets_values") or [])
    positions, position = {}, 0
    for name, kind, options in _widgets(info):
        positions[name] = position
        position += 1
        if _has_control_after_generate(name, kind, options):
            if position >= len(values) or values[position] not in CONTROLS:
                raise ValueError(f"{_name(node)}: {name} is not followed by its control_after_generate")
            position += 1
        if any(key.endswith("_upload") and options[key] for key in options) and position < len(values):
            position += values[position] in UPLOAD_BUTTONS
    if position != len(values):
        raise ValueError(f"{_name(node)}: {len(values)} widget values, allowed {position}: {values}")
    return positions


def _widgets(info: dict):
    """(name, type, options) of each input that the editor shows as a widget, in the editor's order."""
    for group in ("required", "optional"):
        for name in info["input_order"].get(group, []):
            kind, *rest = info["input"][group][name]
            options = rest[0] if rest else {}
            if isinstance(kind, list):  # how V1 nodes say COMBO
                kind, options = "COMBO", {**options, "options": kind}
            if kind in WIDGET_TYPES and not options.get("forceInput"):
                yield name, kind, options


def _has_control_after_generate(name: str, kind: str, options: dict) -> bool:
    return bool(options.get("control_after_generate")) or (kind == "INT" and name in ("seed", "noise_seed"))


def _check_value(node: dict, name: str, kind: str, options: dict, value) -> None:
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
    given = "COMBO" if isinstance(outputs[source_slot], list) else outputs[source_slot]
    taken = _input_type(node, socket["name"], object_info)
    fit = "*" in (taken, given) or set(given.split(",")) & set(taken.split(","))
    if not fit or link_type not in (given, "*"):
        raise ValueError(f"{_name(node)}: {socket['name']} takes {taken}, link {link[0]} of {link_type} brings {given}")
    return [str(source_id), source_slot]


def _input_type(node: dict, name: str, object_info: dict) -> str:
    groups = object_info[node["type"]]["input"]
    for group in ("required", "optional"):
        if name in groups.get(group, {}):
            kind = groups[group][name][0]
            return "COMBO" if isinstance(kind, list) else kind
    raise ValueError(f"{_name(node)}: has no input {name}")


def _name(node: dict) -> str:
    return f"{node['type']} (node {node['id']})"
