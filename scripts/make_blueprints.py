"""subgraphs/*.json, blueprints for the node library, cut out of the workflows: python scripts/make_blueprints.py"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).absolute().parents[1]
FOLDER = ROOT / "subgraphs"
INPUT, OUTPUT = -10, -20  # how a subgraph's links name its own two ends
NAMESPACE = uuid.UUID("8d7a6f0e-4a43-4b0c-9d1e-0f5a1f3f8d11")  # the same ids every time
MARGIN = 60  # px


@dataclass(frozen=True)
class Blueprint:
    """Nodes of a workflow, by type, and which of their sockets and widgets the outside sees: "Type.name"."""

    name: str
    workflow: str
    nodes: tuple[str, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    widgets: tuple[str, ...]


BLUEPRINTS = (
    Blueprint(
        name="Arrows to motion",
        workflow="short_animation",
        nodes=("DriftfieldArrowsToSparseFlow", "DriftfieldDensifyFlow"),
        inputs=("DriftfieldArrowsToSparseFlow.motion_arrows", "DriftfieldDensifyFlow.region"),
        outputs=(
            "DriftfieldDensifyFlow.flow",
            "DriftfieldArrowsToSparseFlow.sparse flow",
            "DriftfieldArrowsToSparseFlow.hints",
        ),
        widgets=("DriftfieldArrowsToSparseFlow.frames", "DriftfieldDensifyFlow.sigma", "DriftfieldDensifyFlow.mode"),
    ),
    Blueprint(
        name="Long animation",
        workflow="arrows_to_long_animation",
        nodes=(
            "DriftfieldLoadAnimationModel",
            "DriftfieldEncodeMotion",
            "DriftfieldAnimateImage",
            "DriftfieldExtendAnimation",
            "DriftfieldDecodeAnimation",
        ),
        inputs=("DriftfieldAnimateImage.image", "DriftfieldEncodeMotion.flow"),
        outputs=(
            "DriftfieldDecodeAnimation.images",
            "DriftfieldExtendAnimation.animation",
            "DriftfieldExtendAnimation.report",
        ),
        widgets=(
            "DriftfieldLoadAnimationModel.model",
            "DriftfieldAnimateImage.seed",
            "DriftfieldAnimateImage.steps",
            "DriftfieldExtendAnimation.total_frames",
            "DriftfieldExtendAnimation.gamma",
            "DriftfieldExtendAnimation.joins",
        ),
    ),
)


def cut_out(blueprint: Blueprint, workflow: dict) -> dict:
    """The workflow file of one node, a subgraph of the blueprint's nodes with the workflow's own values and links."""
    own_id = str(uuid.uuid5(NAMESPACE, blueprint.name))
    nodes = {
        node["type"]: json.loads(json.dumps(node)) for node in workflow["nodes"] if node["type"] in blueprint.nodes
    }
    ids = {node["id"] for node in nodes.values()}
    links = [link_object(*link) for link in workflow["links"] if link[1] in ids and link[3] in ids]
    kept = {link["id"] for link in links}
    for node in nodes.values():
        for slot in node.get("inputs", []):
            slot["link"] = slot.get("link") if slot.get("link") in kept else None
        for slot in node.get("outputs", []):
            slot["links"] = [link for link in slot.get("links") or [] if link in kept]

    left, top, right, bottom = extent(nodes.values())
    ends = {"inputs": [], "outputs": []}
    for side, sockets, own in (("inputs", blueprint.inputs, INPUT), ("outputs", blueprint.outputs, OUTPUT)):
        for number, socket in enumerate(sockets):
            kind, _, name = socket.partition(".")
            index, slot = next((i, s) for i, s in enumerate(nodes[kind][side]) if s["name"] == name)
            link = max([0, *kept]) + 1
            kept.add(link)
            here, there = (own, number), (nodes[kind]["id"], index)
            links.append(
                link_object(link, *here, *there, slot["type"])
                if own == INPUT
                else link_object(link, *there, *here, slot["type"])
            )
            if own == INPUT:
                slot["link"] = link
            else:
                slot["links"].append(link)
            end = {"id": str(uuid.uuid5(NAMESPACE, f"{blueprint.name}, {side}: {socket}")), "name": name}
            x = left - MARGIN if own == INPUT else right + MARGIN
            ends[side].append({**end, "type": slot["type"], "linkIds": [link], "pos": [x, top + 20 * number]})

    subgraph = {
        "id": own_id,
        "version": 1,
        "state": {"lastGroupId": 0, "lastNodeId": max(ids), "lastLinkId": max(kept), "lastRerouteId": 0},
        "revision": 0,
        "config": {},
        "name": blueprint.name,
        "inputNode": {"id": INPUT, "bounding": [left - MARGIN - 120, top - 20, 120, 40 + 20 * len(blueprint.inputs)]},
        "outputNode": {"id": OUTPUT, "bounding": [right + MARGIN, top - 20, 120, 40 + 20 * len(blueprint.outputs)]},
        **ends,
        "widgets": [],
        "nodes": list(nodes.values()),
        "groups": [],
        "links": links,
        "extra": {},
    }
    proxies = [
        [str(nodes[kind]["id"]), name] for kind, _, name in (widget.partition(".") for widget in blueprint.widgets)
    ]
    instance = {
        "id": 1,
        "type": own_id,
        "title": blueprint.name,
        "pos": [0, 0],
        "size": [300, 120 + 30 * len(proxies)],
        "flags": {},
        "order": 0,
        "mode": 0,
        "inputs": [{"name": end["name"], "type": end["type"], "link": None} for end in ends["inputs"]],
        "outputs": [{"name": end["name"], "type": end["type"], "links": []} for end in ends["outputs"]],
        "properties": {"proxyWidgets": proxies},
        "widgets_values": [],
    }
    return {
        "id": str(uuid.uuid5(NAMESPACE, f"{blueprint.name}, workflow")),
        "revision": 0,
        "last_node_id": 1,
        "last_link_id": 0,
        "nodes": [instance],
        "links": [],
        "version": 0.4,
        "definitions": {"subgraphs": [subgraph]},
    }


def link_object(number: int, origin: int, origin_slot: int, target: int, target_slot: int, kind: str) -> dict:
    ends = {"origin_id": origin, "origin_slot": origin_slot, "target_id": target, "target_slot": target_slot}
    return {"id": number, **ends, "type": kind}


def extent(nodes) -> tuple[float, float, float, float]:
    """left, top, right, bottom of all of them, px."""
    boxes = [(*node["pos"], *node["size"]) for node in nodes]
    lefts, tops = [box[0] for box in boxes], [box[1] for box in boxes]
    return min(lefts), min(tops), max(x + w for x, _, w, _ in boxes), max(y + h for _, y, _, h in boxes)


def blueprints() -> dict[str, dict]:
    """{file name: content}."""
    read = {
        b.workflow: json.loads((ROOT / "workflows" / f"{b.workflow}.json").read_text(encoding="utf-8"))
        for b in BLUEPRINTS
    }
    return {f"{b.name}.json": cut_out(b, read[b.workflow]) for b in BLUEPRINTS}


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, content in blueprints().items():
        (FOLDER / name).write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
