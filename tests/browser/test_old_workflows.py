"""Workflows that version 0.1.0 saved, whose socket types had other names, open with all that was connected."""

import json
from pathlib import Path

import pytest
from api_form import to_api_form

OLD = sorted((Path(__file__).absolute().parents[1] / "workflows_0.1.0").glob("*.json"))
NEW_CONNECTION = """(() => {
    const added = LiteGraph.createNode("DriftfieldMotionStrength");
    app.graph.add(added);
    const source = app.graph.nodes.find(({ type }) => /DensifyFlow|EstimateFlow/.test(type));
    return Boolean(source.connect(0, added, 0));
})()"""


@pytest.mark.parametrize("file", OLD, ids=lambda file: file.stem)
def test_it_opens_means_the_same_can_be_built_on_and_is_saved_with_todays_names(page, object_info, file):
    workflow = json.loads(file.read_text(encoding="utf-8"))
    page.load(workflow)
    prompt = page.prompt()
    links = {
        (str(link[3]), next(n for n in workflow["nodes"] if n["id"] == link[3])["inputs"][link[4]]["name"]): link[1:3]
        for link in workflow["links"]
    }
    opened = {
        (node, name): [int(value[0]), value[1]]
        for node, entry in prompt.items()
        for name, value in entry["inputs"].items()
        if isinstance(value, list)
    }
    assert opened == links
    saved = page.evaluate("JSON.parse(JSON.stringify(app.graph.serialize()))")
    assert to_api_form(saved, object_info) == prompt  # it checks the types of all links and slots
    assert page.evaluate(NEW_CONNECTION)
