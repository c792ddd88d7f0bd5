"""What the editor shows of the flow before anything is sampled, and the region that is painted in it."""

import random
import time

import numpy as np
import pytest
from editor_hand import ALT, CTRL
from PIL import Image

SIZE = 64  # px, the stills here

CHAIN = """(() => {
    const [draw, sparse, dense] = [window.driftfield_node,
        ...["ArrowsToSparseFlow", "DensifyFlow"].map((name) => LiteGraph.createNode(`Driftfield${name}`))];
    for (const [i, node] of [sparse, dense].entries()) {
        app.graph.add(node);
        node.pos = [1400 + 300 * i, 100];
    }
    draw.connect(0, sparse, 0);
    sparse.connect(0, dense, 0);
    sparse.connect(1, dense, 1);
    window.driftfield_dense = dense;
    const set = (node, name, value) => (node.widgets.find((widget) => widget.name === name).value = value);
    set(sparse, "frames", 5);
    set(dense, "sigma", 10);
})()"""
HELP = "window.driftfield_canvas().closest('.driftfield-editor').querySelector('.df-help').textContent"


def region_of(hand) -> np.ndarray | None:
    """bool [h, w], or None where nothing is painted."""
    region = hand.drawn.get("region")
    if region is None:
        return None
    width, height = region["size"]
    return np.repeat(np.arange(len(region["runs"])) % 2 == 1, region["runs"]).reshape(height, width)


def test_the_brush_paints_erases_inverts_and_every_stroke_can_be_undone(page, hand):
    hand.press("paint")
    hand.drag((0.2, 0.5), (0.5, 0.5), (0.8, 0.5))
    stroke = region_of(hand)
    assert stroke.shape == (SIZE, SIZE) and stroke[32, 14:50].all() and not stroke[:26].any() and not stroke[38:].any()
    assert hand.pixel(0.5, 0.2)[0] < 120 < hand.pixel(0.3, 0.5)[0]  # what keeps still is darker
    painted = hand.text
    hand.drag((0.5, 0.3), (0.5, 0.7), modifiers=ALT)
    assert not region_of(hand)[32, 32] and region_of(hand)[32, 16]
    hand.key("e")
    hand.drag((0.2, 0.5), (0.3, 0.5))
    assert not region_of(hand)[32, 16] and region_of(hand)[32, 48]
    erased = region_of(hand)
    hand.key("i")
    assert (region_of(hand) == ~erased).all()
    for _ in range(3):
        hand.key("z", CTRL)
    assert hand.text == painted == hand.queued()
    for _ in range(12):
        hand.key("]")
    hand.drag((0.1, 0.5), (0.9, 0.5))
    assert hand.text == ""  # nothing painted is no restriction
    hand.key("z", CTRL)
    hand.key("a")
    hand.drag((0.3, 0.3), (0.5, 0.3), (0.6, 0.3))
    assert len(hand.arrows) == 1 and region_of(hand) is not None
    hand.press("clear")
    assert hand.text == ""


def test_the_flow_is_that_of_the_nodes_behind_the_arrows(page, hand):
    hand.drag((0.2, 0.5), (0.4, 0.5), (0.5, 0.5))
    hand.key("h")
    hand.key("f")
    page.wait_for(f"{HELP}.includes('default settings')")
    page.evaluate(CHAIN)
    hand.key("f")
    page.wait_for(f"{HELP}.startsWith('flow · 5 frames · σ 10 px · faded')")
    hand.wait_for_pixel(0, 220, position=(0.2, 0.5))  # to the right is red
    assert hand.pixel(0.9, 0.9)[:3] == pytest.approx([200, 30, 30], abs=12)  # 10 px reach not that far

    page.evaluate("window.driftfield_node.connect(3, window.driftfield_dense, 2)")
    hand.key("b")
    hand.drag((0.7, 0.9), (0.9, 0.9))
    hand.wait_for_pixel(0, 0, 120, position=(0.2, 0.5))  # nothing moves there now
    hand.key("z", CTRL)
    hand.wait_for_pixel(0, 220, position=(0.2, 0.5))
    page.evaluate("window.driftfield_dense.widgets.find(({ name }) => name === 'threshold').value = 1")
    hand.wait_for_pixel(0, 0, 215, position=(0.2, 0.5))  # R of 1 stops everything


def test_streaks_run_and_stop_with_their_button(page, hand):
    frame = "window.driftfield_canvas().toDataURL()"
    hand.drag((0.2, 0.5), (0.4, 0.5), (0.8, 0.5))
    hand.key("f")
    first = page.evaluate(frame)
    time.sleep(0.2)
    assert page.evaluate(frame) != first
    hand.key("f")
    hand.key("f")
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    still = page.evaluate(frame)
    time.sleep(0.2)
    assert page.evaluate(frame) == still


def test_the_picture_moves_along_the_arrow(page, hand):
    halves = np.zeros((SIZE, SIZE, 3), np.uint8)
    halves[:, : SIZE // 2] = (250, 250, 250)
    Image.fromarray(halves).save(page.server.base / "input" / "halves.png")
    page.evaluate("window.driftfield_load.widgets.find(({ name }) => name === 'image').value = 'halves.png'")
    hand.drag((0.4, 0.5), (0.5, 0.5), (0.7, 0.5))
    hand.key("h")
    hand.wait_for_pixel(1, 0, 30, position=(0.6, 0.5))
    hand.press("playing")
    hand.wait_for_pixel(1, 200, position=(0.6, 0.5))  # the white edge came from x = 0.5
    hand.press("playing")
    hand.wait_for_pixel(1, 0, 30, position=(0.6, 0.5))


def test_after_a_run_without_a_source_the_still_is_shown_without_its_arrows(page, hand):
    head = random.uniform(0.7, 0.9)  # another one each time: what ComfyUI has cached it does not show again
    hand.drag((0.2, 0.5), (0.4, 0.5), (head, 0.5))
    hand.key("h")
    page.evaluate("app.queuePrompt(0)")
    page.wait_for("app.nodeOutputs?.['2']?.driftfield_still", timeout_s=30)
    page.evaluate("window.driftfield_load.disconnectOutput(0)")
    time.sleep(0.6)
    hand.wait_for_pixel(0, 150)
    assert hand.pixel(0.5, 0.5)[:3] == pytest.approx([200, 30, 30], abs=12)


def test_after_a_run_a_picture_that_was_changed_on_its_way_is_shown_as_it_arrived(page, hand):
    halves = np.zeros((SIZE, SIZE, 3), np.uint8)
    halves[:, : SIZE // 2] = (250, 250, 250)
    Image.fromarray(halves).save(page.server.base / "input" / "halves.png")
    page.evaluate("window.driftfield_load.widgets.find(({ name }) => name === 'image').value = 'halves.png'")
    page.evaluate(
        """(() => {
            const invert = LiteGraph.createNode("ImageInvert");
            app.graph.add(invert);
            const arrows = app.graph.getNodeById(2);
            window.driftfield_load.connect(0, invert, 0);
            invert.connect(0, arrows, arrows.inputs.findIndex(({ name }) => name === "image"));
        })()"""
    )
    hand.wait_for_pixel(0, 200, position=(0.25, 0.5))  # before a run: the file
    hand.drag((0.2, 0.8), (0.4, 0.8), (random.uniform(0.5, 0.9), 0.8))
    hand.key("h")
    page.evaluate("app.queuePrompt(0)")
    page.wait_for("app.nodeOutputs?.['2']?.driftfield_still", timeout_s=30)
    hand.wait_for_pixel(0, 0, 30, position=(0.25, 0.5))  # inverted
    assert hand.pixel(0.75, 0.2)[:3] == pytest.approx([255, 255, 255], abs=12)
    page.evaluate("window.driftfield_load.widgets.find(({ name }) => name === 'image').value = 'red.png'")
    hand.wait_for_pixel(0, 150, position=(0.25, 0.5))  # another file: the run's still is not its
