"""ComfyUI's own page, in both renderers of the front end that this ComfyUI pins and of the newest."""

import json
import os
from pathlib import Path

import pytest
from chromium import Page, find_chromium
from comfy_client import ComfyClient, ComfyServer, workflow_media
from editor_hand import DRAW, Hand
from PIL import Image

SIZE = 64  # px, the stills here
CACHE = Path(
    os.environ.get("DRIFTFIELD_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "driftfield"
)
VARIANTS = [(front_end, renderer) for front_end in ("pinned", "newest") for renderer in ("classic", "nodes 2.0")]


@pytest.fixture(scope="session")
def newest_server(tmp_path_factory):
    """A ComfyUI that serves the newest front end, which scripts/test.sh fetches."""
    found = sorted(CACHE.glob("frontend-*/comfyui_frontend_package/static"))
    if not found:
        pytest.skip("the newest front end is not here: scripts/test.sh fetches it")
    base = tmp_path_factory.mktemp("newest")
    with ComfyServer(base, log=base / "server.log", arguments=("--front-end-root", str(found[-1]))) as running:
        for file in workflow_media():
            (base / "input" / file.name).write_bytes(file.read_bytes())
        yield running


@pytest.fixture(scope="session", params=VARIANTS, ids=lambda variant: ", ".join(variant))
def page(request):
    chromium = find_chromium()
    if chromium is None:
        pytest.skip("no chromium on this machine")
    front_end, renderer = request.param
    server = request.getfixturevalue("server" if front_end == "pinned" else "newest_server")
    for name, color in (("red", (200, 30, 30)), ("blue", (30, 30, 200))):
        Image.new("RGB", (SIZE, SIZE), color).save(server.base / "input" / f"{name}.png")
    settings = {"Comfy.TutorialCompleted": True, "Comfy.VueNodes.Enabled": renderer != "classic"}
    with ComfyClient(server.url) as client:
        client.request("/settings", settings)
    opened = Page(chromium)
    opened.open_editor(server.url)
    opened.server, opened.renderer = server, renderer
    yield opened
    opened.close()


BLANK = {"flags": {}, "order": 0, "mode": 0, "properties": {}}  # what a node of a workflow file has to say


def node(number: int, kind: str, x: int, **more) -> dict:
    return {"id": number, "type": kind, "pos": [x, 100], "size": [300, 300], **BLANK, **more}


# LoadImage to Draw Motion Arrows, whose preview is shown.
GRAPH = {
    "nodes": [
        node(
            1,
            "LoadImage",
            0,
            widgets_values=["red.png", "image"],
            outputs=[
                {"name": "IMAGE", "type": "IMAGE", "links": [1]},
                {"name": "MASK", "type": "MASK", "links": None},
            ],
        ),
        node(
            2,
            "DriftfieldDrawMotionArrows",
            400,
            widgets_values=[""],
            inputs=[{"name": "image", "type": "IMAGE", "link": 1}],
            outputs=[
                {"name": "arrows", "type": "DRIFTFIELD_ARROWS", "links": None},
                {"name": "preview", "type": "IMAGE", "links": [2]},
                {"name": "coordinates", "type": "STRING", "links": None},
                {"name": "region", "type": "MASK", "links": None},
            ],
        ),
        node(3, "PreviewImage", 950, inputs=[{"name": "images", "type": "IMAGE", "link": 2}]),
    ],
    "links": [[1, 1, 0, 2, 0, "IMAGE"], [2, 2, 1, 3, 0, "IMAGE"]],
    "version": 0.4,
    "last_node_id": 3,
    "last_link_id": 2,
}
GRAPH["nodes"][1]["size"] = [440, 560]


@pytest.fixture
def page_aside(page):
    """A tab of its own: Chromium and its front end keep traces of what was there before."""
    with page.aside():
        page.open_editor(page.server.url)
        yield page


@pytest.fixture
def hand(page):
    yield from hand_over(page)


@pytest.fixture
def hand_aside(page_aside):
    yield from hand_over(page_aside)


def hand_over(page):
    """A hand over the editor of a new graph, GRAPH."""
    page.console.clear()
    page.evaluate(f"app.loadGraphData({json.dumps(GRAPH)})")
    page.wait_for("app.graph.nodes.length === 3 && document.querySelectorAll('.driftfield-editor').length === 1")
    page.evaluate("void (window.driftfield_load = app.graph.getNodeById(1))")
    hand = Hand(page, (SIZE, SIZE))
    hand.take(f"app.graph.nodes.find({DRAW})")
    hand.wait_for_pixel(0, 150)
    yield hand
    assert [line for line in page.console if "driftfield" in line.lower()] == []
