"""The blueprints in ComfyUI's editor: what they hold is queued, with the workflows' own values and links."""

import json

import pytest
from api_form import to_api_form
from make_blueprints import BLUEPRINTS, ROOT, blueprints


@pytest.mark.parametrize("blueprint", BLUEPRINTS, ids=lambda blueprint: blueprint.name)
def test_it_opens_and_queues_what_the_workflow_has_there(page, object_info, blueprint):
    workflow = json.loads((ROOT / "workflows" / f"{blueprint.workflow}.json").read_text(encoding="utf-8"))
    whole = to_api_form(workflow, object_info)
    nodes = {key: entry for key, entry in whole.items() if entry["class_type"] in blueprint.nodes}
    page.console.clear()
    page.load(blueprints()[f"{blueprint.name}.json"])
    prompt = page.prompt()
    inner = {key.rpartition(":")[2]: entry for key, entry in prompt.items()}
    assert set(inner) == set(nodes)
    for key, entry in nodes.items():
        for name, value in entry["inputs"].items():
            if not isinstance(value, list):
                assert inner[key]["inputs"][name] == value
            elif value[0] in nodes:
                source, slot = inner[key]["inputs"][name]
                assert [source.rpartition(":")[2], slot] == value
    names = "(all) => all.map(({ name }) => name)"
    instance = page.evaluate(f"(([node]) => [node.inputs, node.outputs, node.widgets].map({names}))(app.graph.nodes)")
    tail = [[socket.partition(".")[2] for socket in side] for side in (blueprint.inputs, blueprint.outputs)]
    assert [name for name in instance[0] if name in tail[0]] == tail[0] and instance[1] == tail[1]
    assert {widget.partition(".")[2] for widget in blueprint.widgets} <= {
        name.rpartition(": ")[2] for name in instance[2]
    }
    assert [line for line in page.console if "driftfield" in line.lower()] == []
