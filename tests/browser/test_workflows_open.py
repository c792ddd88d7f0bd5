"""The workflow files in ComfyUI's own editor: they open, and the editor would queue what scripts/api_form.py makes."""

import json
from pathlib import Path

import pytest
from api_form import to_api_form

WORKFLOWS = sorted((Path(__file__).absolute().parents[2] / "workflows").glob("*.json"))


pytestmark = pytest.mark.parametrize(
    "page", [("pinned", "classic"), ("newest", "nodes 2.0")], indirect=True, ids=", ".join
)


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_the_editor_opens_the_workflow_and_would_queue_the_same_prompt(page, object_info, file):
    workflow = json.loads(file.read_text(encoding="utf-8"))
    page.console.clear()
    page.load(workflow)
    assert page.prompt() == to_api_form(workflow, object_info)
    assert [line for line in page.console if "driftfield" in line.lower()] == []


def test_the_address_that_the_demo_prints_opens_its_workflow(page):
    page.open(f"{page.server.url}/?template=arrows_to_long_animation&source=driftfield")
    nodes = "window.app?.graph?.nodes?.map(node => node.type) ?? []"
    page.wait_for(f"({nodes}).includes('DriftfieldExtendAnimation')")
