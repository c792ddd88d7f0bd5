"""Editors among other nodes: several of them, copied, removed, undone by the graph, in a subgraph, fed by hand."""

import json
import time

import numpy as np
import pytest
from editor_hand import CTRL

SIZE = 64
TOUCH = {"enabled": True, "maxTouchPoints": 5}
EDITORS = "document.querySelectorAll('.driftfield-editor').length"


def alive(page, css_class: str) -> int:
    """How many div elements of a class the page's memory holds, on the page or not."""
    page._call("HeapProfiler.collectGarbage")
    prototype = page._call("Runtime.evaluate", expression="HTMLDivElement.prototype")["result"]["objectId"]
    found = page._call("Runtime.queryObjects", prototypeObjectId=prototype)["objects"]["objectId"]
    count = f"function () {{ return this.filter(({{ classList }}) => classList.contains('{css_class}')).length }}"
    response = page._call("Runtime.callFunctionOn", objectId=found, functionDeclaration=count, returnByValue=True)
    page._call("Runtime.releaseObject", objectId=found)
    return response["result"]["value"]


def tracker(page, call: str) -> None:
    page.evaluate(f"app.extensionManager.workflow.activeWorkflow.changeTracker.{call}")


def test_a_pasted_node_has_arrows_of_its_own(page, hand):
    hand.drag((0.2, 0.2), (0.5, 0.3), (0.7, 0.6))
    first = hand.text
    page.evaluate(
        """(() => {
            app.canvas.selectItems([window.driftfield_node]);
            app.canvas.copyToClipboard();
            app.canvas.pasteFromClipboard();
            app.canvas.deselectAll();
            app.graph.nodes.at(-1).pos = [400, 900];
        })()"""
    )
    page.wait_for("app.graph.nodes.length === 4")
    hand.take("app.graph.nodes.at(-1)")
    assert hand.text == first
    hand.click((0.2, 0.2))
    hand.key("Delete")
    assert hand.text == ""
    hand.take("app.graph.getNodeById(2)")
    assert hand.text == first


@pytest.mark.parametrize("page", [("pinned", "nodes 2.0"), ("newest", "nodes 2.0")], indirect=True, ids=", ".join)
def test_of_a_removed_editor_nothing_is_left_in_memory(page_aside, hand_aside):
    page, hand = page_aside, hand_aside
    hand.drag((0.2, 0.2), (0.5, 0.3), (0.7, 0.6))
    page.evaluate("void app.graph.add(window.driftfield_node.clone())")
    hand.take("app.graph.nodes.at(-1)")
    hand.click((0.9, 0.1))
    assert alive(page, "driftfield-editor") == 2
    page.evaluate("void app.graph.remove(app.graph.nodes.at(-1))")
    hand.take("app.graph.getNodeById(2)")
    hand.click((0.9, 0.1))  # the page remembers where the pointer and the focus were last
    assert alive(page, "driftfield-editor") == 1


def test_the_graphs_own_undo_takes_back_a_drawing(page, hand):
    hand.drag((0.2, 0.2), (0.5, 0.2), (0.7, 0.2))
    one = hand.text
    time.sleep(0.5)
    hand.drag((0.2, 0.8), (0.5, 0.8), (0.7, 0.8))
    time.sleep(0.5)
    tracker(page, "undo()")
    hand.take("app.graph.getNodeById(2)")
    assert hand.text == one == hand.queued()
    hand.drag((0.2, 0.5), (0.5, 0.5), (0.7, 0.5))  # the editor goes on from there
    assert len(hand.arrows) == 2
    assert page.evaluate(EDITORS) == 1


def test_in_a_subgraph_the_picture_and_the_flow_come_from_outside(page, hand):
    hand.drag((0.2, 0.5), (0.5, 0.5), (0.8, 0.5))
    text = hand.text
    page.evaluate(
        """(() => {
            const sparse = LiteGraph.createNode("DriftfieldArrowsToSparseFlow");
            const dense = LiteGraph.createNode("DriftfieldDensifyFlow");
            for (const node of [sparse, dense]) app.graph.add(node);
            window.driftfield_node.connect(0, sparse, 0);
            sparse.connect(0, dense, 0);
            dense.widgets.find(({ name }) => name === "sigma").value = 7;
            window.driftfield_subgraph = app.graph.convertToSubgraph(new Set([window.driftfield_node])).subgraph;
        })()"""
    )
    outside = "Object.values(app.graph.nodes).some(({ subgraph }) => subgraph === window.driftfield_subgraph)"
    page.wait_for(outside)
    page.evaluate("app.canvas.setGraph(window.driftfield_subgraph)")
    hand.take("window.driftfield_subgraph.nodes[0]")
    assert hand.text == text == hand.queued()
    hand.wait_for_pixel(0, 150, position=(0.5, 0.2))  # the red still
    hand.drag((0.2, 0.9), (0.5, 0.9), (0.8, 0.9))
    hand.key("f")
    help_line = "window.driftfield_canvas().closest('.driftfield-editor').querySelector('.df-help').textContent"
    page.wait_for(f"{help_line}.includes('σ 7 px')", timeout_s=10)
    assert len(hand.arrows) == 2 and hand.text == hand.queued()
    page.evaluate("app.canvas.setGraph(app.graph.rootGraph ?? app.graph)")


def test_a_picture_file_that_is_dropped_is_loaded_before_the_node(page, hand):
    drop = """new Promise((done) => {
        const canvas = Object.assign(document.createElement("canvas"), { width: 64, height: 64 });
        const context = canvas.getContext("2d");
        context.fillStyle = "rgb(20, 200, 40)";
        context.fillRect(0, 0, 64, 64);
        canvas.toBlob((blob) => {
            const dataTransfer = new DataTransfer();
            dataTransfer.items.add(new File([blob], "green.png", { type: "image/png" }));
            for (const type of ["dragover", "drop"]) window.driftfield_canvas().dispatchEvent(
                new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true }));
            done();
        });
    })"""
    page.evaluate(drop)
    hand.wait_for_pixel(1, 150)
    assert page.evaluate("window.driftfield_load.widgets.find(({ name }) => name === 'image').value").startswith(
        "green"
    )
    page.evaluate("app.graph.remove(window.driftfield_load)")
    hand.wait_for_pixel(1, 0, 100)
    page.evaluate(drop)
    hand.wait_for_pixel(1, 150)
    assert page.evaluate("app.graph.nodes.filter(({ type }) => type === 'LoadImage').length") == 1


def test_fingers_draw_pin_cycle_and_zoom(page, hand):
    page._call("Emulation.setTouchEmulationEnabled", **TOUCH)
    try:
        hand.touch([(0.2, 0.5), (0.4, 0.5), (0.8, 0.5)])
        hand.touch([(0.5, 0.9)])
        arrow, pin = hand.paths()
        assert len(arrow) == 2 and len(pin) == 1
        before = hand.text
        apart = [[(0.4 - 0.1 * i, 0.5), (0.6 + 0.1 * i, 0.5)] for i in range(4)]
        hand.touch(*zip(*apart, strict=True))
        zoom = "window.driftfield_canvas().closest('.driftfield-editor').querySelector('.df-count').textContent"
        page.wait_for(f"{zoom}.includes('%')")
        assert hand.text == before  # two fingers draw nothing
    finally:
        page._call("Emulation.setTouchEmulationEnabled", enabled=False)


def test_a_pen_on_a_fine_screen_draws_and_paints_where_it_is(page, hand):
    page.resize(1600, 1000, ratio=2)
    try:
        hand.take()
        hand.pointer = "pen"
        hand.drag((0.2, 0.3), (0.5, 0.3), (0.8, 0.3))
        assert np.abs(np.subtract(hand.paths(), [[[0.2, 0.3], [0.8, 0.3]]])).max() < 1.5 / SIZE
        assert page.evaluate("window.driftfield_canvas().width / window.driftfield_canvas().clientWidth") >= 2
        hand.press("paint")
        hand.drag((0.2, 0.7), (0.8, 0.7))
        hand.wait_for_pixel(0, 150, position=(0.5, 0.7))
        hand.wait_for_pixel(0, 0, 120, position=(0.5, 0.9))
    finally:
        page._call("Emulation.clearDeviceMetricsOverride")


def test_another_packs_tracks_are_pasted(hand):
    hand.click((0.9, 0.9))
    hand.key("z", CTRL)
    path = [[[16 + 8 * t, 32]] for t in range(5)]
    hand.clipboard("paste", json.dumps({"track_path": path, "track_visibility": [[True]] * 5}))
    assert hand.arrows == [{"id": "a1", "points": [[0.25, 0.5], [0.75, 0.5]], "strength": 1}]
