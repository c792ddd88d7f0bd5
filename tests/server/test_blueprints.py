"""The subgraph blueprints: cut out of the workflows as they are now, and listed by ComfyUI."""

import json

from make_blueprints import FOLDER, blueprints


def test_they_are_what_the_workflows_make():
    written = {file.name: json.loads(file.read_text(encoding="utf-8")) for file in FOLDER.glob("*.json")}
    assert written == blueprints(), "python scripts/make_blueprints.py brings them up to date"


def test_comfyui_lists_and_serves_them(client):
    listed = client.request("/global_subgraphs")
    ours = {
        entry["name"]: key for key, entry in listed.items() if entry["info"]["node_pack"] == "custom_nodes.driftfield"
    }
    assert {f"{name}.json" for name in ours} == set(blueprints())
    for name, key in ours.items():
        assert json.loads(client.request(f"/global_subgraphs/{key}")["data"]) == blueprints()[f"{name}.json"]
