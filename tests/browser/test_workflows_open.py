"""The workflow files in ComfyUI's own editor: they open, and the editor would queue what scripts/api_form.py makes."""

import json
from pathlib import Path

import pytest
from api_form import to_api_form
from chromium import Page, find_chromium

WORKFLOWS = sorted((Path(__file__).absolute().parents[2] / "workflows").glob("*.json"))


@pytest.fixture(scope="module")
def page(server, tmp_path_factory):
    chromium = find_chromium()
    if chromium is None:
        pytest.skip("no chromium on this machine")
    opened = Page(chromium, tmp_path_factory.mktemp("chromium"))
    opened.open_editor(server.url)
    yield opened
    opened.close()


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_the_editor_opens_the_workflow_and_would_queue_the_same_prompt(page, object_info, file):
    workflow = json.loads(file.read_text())
    page.console.clear()
    page.load(workflow)
    prompt = page.evaluate("window.app.graphToPrompt().then(({output}) => output)")
    assert prompt == to_api_form(workflow, object_info)
    assert [line for line in page.console if "driftfield" in line.lower()] == []


def test_the_address_that_the_demo_prints_opens_its_workflow(page, server):
    page.open(f"{server.url}/?template=arrows_to_long_animation&source=driftfield")
    nodes = "window.app?.graph?.nodes?.map(node => node.type) ?? []"
    page.wait_for(f"({nodes}).includes('DriftfieldExtendAnimation')")
