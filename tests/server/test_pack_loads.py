"""What ComfyUI says about the pack when it starts: nothing but that it is there."""

import re

import pytest
from comfy_client import PACK_ROOT

NODES = {page.stem for page in (PACK_ROOT / "web" / "docs").glob("*.md")}  # each node has its help page


def test_the_log_is_clean(server):
    start = server.log_text().split("To see the GUI go to")[0]
    about_the_pack = [line for line in start.splitlines() if "custom_nodes/driftfield" in line or "Driftfield" in line]
    import_times = [
        line
        for line in about_the_pack
        if re.fullmatch(r"(\[INFO\])? *[\d.]+ seconds: \S+(/driftfield|_probe\.py)", line)
    ]
    assert len(import_times) == 2  # the pack and the probe
    assert about_the_pack == import_times
    assert "Traceback" not in start and "IMPORT FAILED" not in start


def test_all_nodes_are_there(object_info):
    assert NODES <= {name for name in object_info if name.startswith("Driftfield")}


@pytest.mark.parametrize("node", sorted(NODES))
def test_every_node_explains_itself(object_info, node):
    info = object_info[node]
    assert info["category"].startswith("Driftfield/")
    assert info["description"] and info["display_name"] != node
    for group in ("required", "optional"):
        for name, (_, options) in info["input"].get(group, {}).items():
            assert options.get("tooltip"), f"{node}: {name} has no tooltip"


@pytest.mark.parametrize(
    "page", ["DriftfieldAnimateImage/zh.md", "DriftfieldAnimateImage.md", "pictures/AnimateImage.webp"]
)
def test_help_is_served_where_the_front_end_asks_for_it(client, page):
    """First <node id>/<language>.md, then <node id>.md; pictures of either from the folder docs."""
    assert client.request(f"/extensions/driftfield/docs/{page}") == (PACK_ROOT / "web" / "docs" / page).read_bytes()


def test_the_workflows_are_offered_as_templates(client):
    assert {
        "arrows_to_long_animation",
        "short_animation",
        "motion_from_video",
        "things_that_turn",
        "living_water",
        "boats_on_water",
    } <= set(client.request("/workflow_templates")["driftfield"])
