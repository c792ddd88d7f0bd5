"""What version 0.1.0 saved, whose socket types had other names, comes with all that was connected.

Workflows that are opened, nodes that are pasted into an open graph, subgraphs in a workflow or a blueprint.
"""

import json
import re
from pathlib import Path

import pytest
from api_form import to_api_form
from make_blueprints import ROOT, blueprints

OLD = sorted((Path(__file__).absolute().parents[1] / "workflows_0.1.0").glob("*.json"))
SOCKETS = (ROOT / "web" / "js" / "sockets.js").read_text(encoding="utf-8")
RENAMED = dict(re.findall(r'(\w+): "(DRIFTFIELD_\w+)"', SOCKETS))  # old name -> today's
NEW_CONNECTION = """(() => {
    const added = LiteGraph.createNode("DriftfieldMotionStrength");
    app.graph.add(added);
    const source = app.graph.nodes.find(({ type }) => /DensifyFlow|EstimateFlow/.test(type));
    return Boolean(source.connect(0, added, 0));
})()"""
COPY = """(() => {
    app.canvas.selectItems(app.graph.nodes);
    app.canvas.copyToClipboard();
    const items = localStorage.getItem("litegrapheditor_clipboard");
    return [JSON.parse(items).nodes.map(({ id }) => String(id)), items];
})()"""
PASTE = """(() => {
    app.graph.clear();
    localStorage.setItem("litegrapheditor_clipboard", ITEMS);
    app.canvas.pasteFromClipboard();
    return app.graph.nodes.map(({ id }) => String(id));
})()"""
# What ComfyUI does with a blueprint that is chosen in the node library.
PUT = """(() => {
    app.graph.clear();
    const { nodes, definitions: { subgraphs } } = BLUEPRINT;
    app.canvas._deserializeItems({ nodes, subgraphs }, { position: [0, 0] });
})()"""
SAVED = "JSON.parse(JSON.stringify(app.graph.serialize()))"


def opened(page, workflow: dict) -> dict:
    """{the file's number of a node: the page's, as text}."""
    page.load(workflow)
    return {node["id"]: str(node["id"]) for node in workflow["nodes"]}


def pasted(page, workflow: dict) -> dict:
    """The same, for the whole workflow as the clipboard held it."""
    page.load(workflow)
    before, items = page.evaluate(COPY)
    numbers = page.evaluate(PASTE.replace("ITEMS", json.dumps(of_old(items))))
    there = dict(zip(before, numbers, strict=True))
    return {node["id"]: there[str(node["id"])] for node in workflow["nodes"]}


def of_old(text: str) -> str:
    """JSON with the old names in place of today's."""
    return renamed(text, {today: before for before, today in RENAMED.items()})


def renamed(text: str, names: dict[str, str]) -> str:
    """JSON with other names, of which it holds at least one."""
    other = text
    for before, after in names.items():
        other = other.replace(f'"{before}"', f'"{after}"')
    assert other != text
    return other


@pytest.mark.parametrize("come", [opened, pasted])
@pytest.mark.parametrize("file", OLD, ids=lambda file: file.stem)
def test_it_means_the_same_can_be_built_on_and_is_saved_with_todays_names(page, object_info, file, come):
    workflow = json.loads(file.read_text(encoding="utf-8"))
    numbers = come(page, workflow)
    prompt = page.prompt()
    names = {node["id"]: [slot["name"] for slot in node.get("inputs", [])] for node in workflow["nodes"]}
    links = {
        (numbers[target], names[target][slot]): [numbers[source], output]
        for _, source, output, target, slot, _ in workflow["links"]
    }
    found = {
        (node, name): value
        for node, entry in prompt.items()
        for name, value in entry["inputs"].items()
        if isinstance(value, list)
    }
    assert found == links
    for node, entry in to_api_form(json.loads(renamed(json.dumps(workflow), RENAMED)), object_info).items():
        kept = {name: value for name, value in entry["inputs"].items() if not isinstance(value, list)}
        assert {name: prompt[numbers[int(node)]]["inputs"][name] for name in kept} == kept
        if entry["class_type"] == "DriftfieldAnimateImage":
            assert kept["sampling_size"] == 0  # as it was before there was the widget; new nodes have -1
    assert to_api_form(page.evaluate(SAVED), object_info) == prompt  # it checks the types of all links and slots
    assert page.evaluate(NEW_CONNECTION)


@pytest.mark.parametrize("name", blueprints())
def test_subgraphs_have_todays_names_inside_and_outside(page_aside, name):
    page = page_aside
    now = json.dumps(blueprints()[name])
    old = of_old(now)
    found = []
    for saved in (now, old):
        page.evaluate(PUT.replace("BLUEPRINT", saved))
        found.append(socket_types(page.evaluate(SAVED)))
    page.load(json.loads(old))
    assert found[0] == found[1] == socket_types(page.evaluate(SAVED))
    assert not set(found[0]) & set(RENAMED)


def socket_types(saved: dict) -> list[str]:
    """Those of all links, slots and subgraphs' own slots."""
    graphs = [saved, *saved["definitions"]["subgraphs"]]
    sides = [
        (holder.get(side) or [])
        for graph in graphs
        for holder in (graph, *graph["nodes"])
        for side in ("inputs", "outputs")
    ]
    links = [link["type"] if isinstance(link, dict) else link[5] for graph in graphs for link in graph["links"]]
    return [str(slot["type"]) for side in sides for slot in side] + links
