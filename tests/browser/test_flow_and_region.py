"""What the editor shows of the flow before anything is sampled, and the region that is painted in it."""

import json
import random
import time

import numpy as np
import pytest
from editor_hand import ALT, CTRL, SHIFT
from PIL import Image
from PIL.PngImagePlugin import PngInfo

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
PIXELS = """((canvas) => canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data)(
    window.driftfield_canvas())"""
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
    page.wait_for(f"{HELP}.startsWith('flow · 5 frames · σ 10 px · followed')")
    hand.wait_for_pixel(0, 220, position=(0.2, 0.5))  # to the right is red
    assert hand.pixel(0.9, 0.9)[:3] == pytest.approx([200, 30, 30], abs=12)  # 10 px reach not that far

    sigma = "window.driftfield_dense.widgets.find(({ name }) => name === 'sigma').value"
    page.evaluate(f"{sigma} = 0.15")
    page.wait_for(f"{HELP}.includes('σ 15 %')")
    page.evaluate(f"{sigma} = 10")
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


def test_what_comes_in_over_the_border_is_the_videos(page, hand):
    band = np.zeros((256, 256, 3), np.uint8)
    band[108:148, :128] = 255
    Image.fromarray(band).save(page.server.base / "input" / "band.png")
    page.evaluate("window.driftfield_load.widgets.find(({ name }) => name === 'image').value = 'band.png'")
    hand.wait_for_pixel(0, 220, position=(0.3, 0.5))
    page.evaluate("performance.clearResourceTimings()")
    asked = "performance.getEntriesByType('resource').filter(({ name }) => name.endsWith('driftfield/layers')).length"
    hand.drag((0.2, 0.5), (0.1, 0.5), (0.05, 0.5))
    hand.key("h")
    hand.press("playing")
    time.sleep(1.5)
    assert page.evaluate(asked) == 0  # nothing comes in
    hand.key("z", CTRL)
    hand.drag((0.05, 0.5), (0.2, 0.5), (0.4, 0.5))
    hand.key("k")
    scrub(page, 24)
    hand.wait_for_pixel(0, 80, 180, position=(0.08, 0.5))  # white where the border is repeated
    assert page.evaluate(asked) == 1
    hand.key("ArrowRight")
    time.sleep(1.5)
    assert page.evaluate(asked) == 1 and 80 < hand.pixel(0.08, 0.5)[0] < 180
    hand.press("playing")


def test_what_lives_moves_by_itself(page, hand):
    halves = np.zeros((SIZE, SIZE, 3), np.uint8)
    halves[:, : SIZE // 2] = (250, 250, 250)
    Image.fromarray(halves).save(page.server.base / "input" / "halves.png")
    page.evaluate("window.driftfield_load.widgets.find(({ name }) => name === 'image').value = 'halves.png'")
    hand.press("playing")
    hand.wait_for_pixel(0, 0, 30, position=(0.53, 0.5))
    page.evaluate(
        """(() => {
            const enliven = LiteGraph.createNode("DriftfieldEnliven");
            app.graph.add(enliven);
            enliven.pos = [1400, 100];
            const set = (name, value) => (enliven.widgets.find((widget) => widget.name === name).value = value);
            set("kind", "leaves or grass");
            set("amplitude", 16);
            window.driftfield_node.connect(3, enliven, 0);
        })()"""
    )
    hand.wait_for_pixel(0, 120, position=(0.53, 0.5))  # the white half has swayed there
    hand.press("playing")
    hand.wait_for_pixel(0, 0, 30, position=(0.53, 0.5))


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


def disc(page) -> np.ndarray:
    """Shows a bright disc before something dark; where it is, bool [256, 256]."""
    column, row = np.meshgrid(np.arange(256), np.arange(256))
    inside = np.hypot(column - 90, row - 128) < 26
    picture = np.stack([20 + column // 16, 30 + row // 16, 90 + (column + row) // 16], -1)
    picture[inside] = (250, 220, 60)
    Image.fromarray(picture.astype(np.uint8)).save(page.server.base / "input" / "disc.png")
    page.evaluate("window.driftfield_load.widgets.find(({ name }) => name === 'image').value = 'disc.png'")
    return inside


def objects_of(hand) -> list[np.ndarray]:
    found = hand.drawn.get("objects", [])
    return [
        np.repeat(np.arange(len(mask["runs"])) % 2 == 1, mask["runs"]).reshape(mask["size"][::-1]) for mask in found
    ]


def answered(page, hand, act) -> None:
    """Waits until the server's answer to what is done has changed the text."""
    before = json.dumps(hand.text)
    act()
    page.wait_for(f"window.driftfield_node.widgets.find(({{ name }}) => name === 'arrows').value !== {before}")


def scrub(page, frame: int) -> None:
    page.evaluate(
        f"""(() => {{
            const bar = window.driftfield_canvas().closest(".driftfield-editor").querySelector(".df-scrub input");
            bar.value = {frame};
            bar.dispatchEvent(new Event("input", {{ bubbles: true }}));
        }})()"""
    )


def test_a_thing_is_found_under_its_arrow_and_moves_as_a_whole(page, hand):
    inside = disc(page)
    hand.wait_for_pixel(1, 200, position=(0.35, 0.5))
    hand.drag((0.35, 0.5), (0.5, 0.5), (0.65, 0.5), modifiers=ALT)
    page.wait_for("window.driftfield_node.widgets.find(({ name }) => name === 'arrows').value.includes('objects')")
    (found,) = objects_of(hand)
    overlap = (found & inside).sum() / (found | inside).sum()
    assert found.shape == inside.shape and overlap > 0.9
    assert hand.arrows[0]["object"] == 1 and hand.queued() == hand.text
    assert hand.pixel(0.35, 0.44)[1] != hand.pixel(0.65, 0.3)[1]
    hand.key("h")
    hand.press("playing")
    hand.key("k")
    scrub(page, 24)
    page.wait_for(f"{HELP}.startsWith('flow')")  # no note and no error any more
    hand.wait_for_pixel(0, 220, position=(0.65, 0.5))
    for u in (0.57, 0.73):  # all of it
        assert hand.pixel(u, 0.5)[:3] == pytest.approx([250, 220, 60], abs=12)
    assert hand.pixel(0.35, 0.5)[0] < 60  # what is behind it, filled in
    scrub(page, 12)
    hand.wait_for_pixel(0, 220, position=(0.5, 0.5))
    scrub(page, 0)
    hand.wait_for_pixel(0, 220, position=(0.35, 0.5))
    assert hand.pixel(0.5, 0.5)[0] < 60


def test_a_thing_that_pins_hold_stays_the_pictures_own(page, hand):
    """Of a picture that browsers show otherwise: large, with a gamma of its own and half transparent."""
    disc(page)
    file, gamma = page.server.base / "input" / "disc.png", PngInfo()
    gamma.add(b"gAMA", (70_000).to_bytes(4, "big"))
    pixels = np.asarray(Image.open(file).resize((640, 640))).astype(int)
    noise = np.random.default_rng(0).integers(-6, 7, pixels.shape)
    picture = Image.fromarray((pixels + noise).clip(0, 255).astype(np.uint8))
    picture.putalpha(Image.fromarray(np.linspace(128, 255, 640).astype(np.uint8)[None].repeat(640, 0)))
    picture.save(page.server.base / "input" / "odd.png", pnginfo=gamma)
    page.evaluate("window.driftfield_load.widgets.find(({ name }) => name === 'image').value = 'odd.png'")
    hand.wait_for_pixel(1, 200, position=(0.35, 0.5))
    hand.drag((0.35, 0.5), (0.5, 0.5), (0.65, 0.5), modifiers=ALT)
    page.wait_for("window.driftfield_node.widgets.find(({ name }) => name === 'arrows').value.includes('objects')")
    hand.click((0.35, 0.44))
    hand.click((0.5, 0.5))
    hand.key("Delete")
    assert [len(arrow["points"]) for arrow in hand.arrows] == [1] and hand.arrows[0]["object"] == 1
    hand.key("h")
    hand.press("playing")
    hand.key("k")
    scrub(page, 24)
    page.wait_for(f"{HELP}.startsWith('flow')")
    page.evaluate(f"window.driftfield_later = {PIXELS}, null")
    scrub(page, 0)
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert page.evaluate(f"{PIXELS}.every((value, i) => value === window.driftfield_later[i])")
    assert page.evaluate("new Set(window.driftfield_later).size") > 50


def test_parts_pins_and_the_brush_change_the_selected_arrows_object_alone(page, hand):
    disc(page)
    hand.wait_for_pixel(1, 200, position=(0.35, 0.5))
    hand.drag((0.6, 0.2), (0.7, 0.2), (0.8, 0.3))
    hand.key("O", SHIFT)
    hand.drag((0.6, 0.2), (0.7, 0.2))
    (painted,) = objects_of(hand)
    assert painted[51, 160] and not painted[128, 90] and "region" not in hand.drawn
    hand.key("o")
    answered(page, hand, lambda: hand.click((0.35, 0.5)))
    (joined,) = objects_of(hand)
    assert joined[51, 160] and joined[128, 90]
    answered(page, hand, lambda: hand.click((0.35, 0.5), ALT))
    (left,) = objects_of(hand)
    assert left[51, 160] and not left[128, 90]
    hand.key("a")
    hand.click((0.62, 0.245))
    hand.click((0.1, 0.9))
    assert [arrow.get("object") for arrow in hand.arrows] == [1, 1, None]
    hand.key("b")
    hand.drag((0.2, 0.8), (0.4, 0.8))
    assert region_of(hand) is not None and (objects_of(hand)[0] == left).all()
    for _ in range(3):
        hand.key("z", CTRL)
    assert "region" not in hand.drawn and len(hand.arrows) == 1
