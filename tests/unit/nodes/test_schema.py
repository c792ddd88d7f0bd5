"""Every node explains itself: schemas, tooltips, help pages, and workflows that fit them."""

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).absolute().parents[3]
IDS = [
    "DriftfieldDrawMotionArrows",
    "DriftfieldGatherObjects",
    "DriftfieldArrowsToSparseFlow",
    "DriftfieldArrowsToTracks",
    "DriftfieldDensifyFlow",
    "DriftfieldLoadFlowRefiner",
    "DriftfieldRefineFlow",
    "DriftfieldEnliven",
    "DriftfieldEstimateFlow",
    "DriftfieldMotionStrength",
    "DriftfieldPreviewFlow",
    "DriftfieldLoadAnimationModel",
    "DriftfieldApplyCameraLoRA",
    "DriftfieldEncodeMotion",
    "DriftfieldAnimateImage",
    "DriftfieldExtendAnimation",
    "DriftfieldExtendAnimationOtherMethods",
    "DriftfieldDecodeAnimation",
    "DriftfieldSaveAnimation",
    "DriftfieldWarpImageAlongFlow",
    "DriftfieldFollowFlow",
    "DriftfieldPhasedSharedNoiseSampler",
    "DriftfieldJoinSegments",
]
CORE = {"IMAGE", "MASK", "LATENT", "MODEL", "STRING", "INT", "FLOAT", "BOOLEAN", "COMBO", "SAMPLER", "SIGMAS", "TRACKS"}
FLOW_MODEL = "OPTICAL_FLOW"  # core's: a network, not a flow


@pytest.fixture(scope="module")
def schemas(node_classes):
    return {schema.node_id: schema for schema in (node.GET_SCHEMA() for node in node_classes)}


def test_all_nodes_are_there(schemas):
    assert list(schemas) == IDS


@pytest.mark.parametrize("node_id", IDS)
def test_it_explains_itself(schemas, node_id):
    schema = schemas[node_id]
    assert schema.category.startswith("Driftfield/") and schema.display_name and schema.description
    for given in schema.inputs:
        assert given.tooltip, given.id
    for made in schema.outputs:
        assert made.display_name, made.id  # else ComfyUI 0.3.75 shows the socket's type
    page = (ROOT / "web" / "docs" / f"{node_id}.md").read_text(encoding="utf-8")
    assert page.startswith(f"# {schema.display_name}\n")
    for given in schema.inputs:
        assert (given.display_name or given.id).replace("_", " ") in page.replace("_", " "), given.id


@pytest.mark.parametrize("node_id", IDS)
def test_sockets_that_are_not_comfyuis_carry_the_packs_prefix(schemas, node_id):
    schema = schemas[node_id]
    taken = {given.get_io_type() for given in schema.inputs} - {FLOW_MODEL}
    ours = (taken | {made.get_io_type() for made in schema.outputs}) - CORE
    assert {kind for kind in ours if not kind.startswith("DRIFTFIELD_")} == set()


@pytest.mark.parametrize("node_id", IDS)
def test_other_words_find_it_where_comfyui_can(schemas, node_id):
    if hasattr(schemas[node_id], "search_aliases"):
        assert schemas[node_id].search_aliases


def test_no_help_page_without_its_node():
    assert sorted(path.stem for path in (ROOT / "web" / "docs").glob("*.md")) == sorted(IDS)


@pytest.mark.parametrize(
    "name",
    [
        "arrows_to_long_animation",
        "short_animation",
        "things_that_turn",
        "living_water",
        "boats_on_water",
        "motion_from_video",
        "any_model_arrows",
        "any_model_long",
        "svd_native",
    ],
)
def test_workflows_are_tidy_and_know_only_our_nodes_and_core_s(name):
    workflow = json.loads((ROOT / "workflows" / f"{name}.json").read_text(encoding="utf-8"))
    assert workflow["version"] == 0.4
    boxes = [(n["type"], *n["pos"], *n["size"]) for n in workflow["nodes"]]
    for i, (first, x, y, width, height) in enumerate(boxes):
        for second, x2, y2, width2, height2 in boxes[i + 1 :]:
            apart = x + width <= x2 or x2 + width2 <= x or y + height <= y2 - 30 or y2 + height2 <= y - 30
            assert apart, f"{first} overlaps {second}"
    types = {node["type"] for node in workflow["nodes"]}
    assert {t for t in types if t.startswith("Driftfield")} <= set(IDS)
    assert {"Note", "DriftfieldSaveAnimation"} <= types or {"Note", "CreateVideo", "SaveVideo"} <= types
    assert "DriftfieldEnliven" not in types or "CreateVideo" not in types, "Save Video's file jumps where it repeats"
    assert [group["title"][0] for group in workflow["groups"]] == ["1", "2", "3", "4"]
