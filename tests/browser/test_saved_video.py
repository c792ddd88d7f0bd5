"""A video of Save Animation that is dropped on ComfyUI's page opens the workflow that made it."""

import base64
import json
from pathlib import Path

import pytest
from comfy_client import ComfyClient
from prompts import graph

WORKFLOW = Path(__file__).absolute().parents[2] / "workflows" / "short_animation.json"
DROP = """(() => {
    const bytes = Uint8Array.from(atob(VIDEO), (character) => character.charCodeAt(0));
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File([bytes], "driftfield_00001_.mp4", { type: "video/mp4" }));
    app.graph.clear();
    app.canvasEl.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
})()"""
VALUES = "({ nodes }) => nodes.map(({ id, type, widgets_values }) => [id, type, widgets_values])"


@pytest.fixture(scope="module")
def video(server, still) -> bytes:
    prompt = {name: node for name, node in graph(still).items() if name not in ("extend", "decode", "preview")}
    values = {"filename_prefix": "video/dropped", "fps": 0, "crf": 18, "chunk_frames": 8}
    prompt["save"] = {"class_type": "DriftfieldSaveAnimation", "inputs": {"animation": ["animate", 0], **values}}
    with ComfyClient(server.url) as client:
        result = client.run(prompt, workflow=json.loads(WORKFLOW.read_text(encoding="utf-8")))
    (entry,) = result.files("save")
    return server.file(entry).read_bytes()


def test_a_video_that_is_dropped_opens_its_workflow(page, video):
    workflow = json.loads(WORKFLOW.read_text(encoding="utf-8"))
    page.load(workflow)
    opened = page.evaluate(f"({VALUES})(JSON.parse(JSON.stringify(app.graph.serialize())))")
    page.evaluate(DROP.replace("VIDEO", json.dumps(base64.b64encode(video).decode())))
    page.wait_for(f"app.graph.nodes.length === {len(workflow['nodes'])}", timeout_s=20)
    assert page.evaluate(f"({VALUES})(JSON.parse(JSON.stringify(app.graph.serialize())))") == opened
