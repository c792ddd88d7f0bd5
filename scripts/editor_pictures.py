"""Pictures of the nodes for their help pages, and of the arrow editor at work. Made by make_pictures.py."""

from __future__ import annotations

import io
import json
import math
from contextlib import contextmanager

from chromium import Page, find_chromium
from comfy_client import PACK_ROOT, ComfyClient, ComfyError, ComfyServer
from editor_hand import ALT, SHIFT, Hand
from PIL import Image

HELP = PACK_ROOT / "web" / "docs" / "pictures"
EXAMPLE = "example_input.jpg"
TRACKS = "DriftfieldArrowsToTracks"  # its page shows what it makes
PINS = [(0.35, 0.85), (0.75, 0.85), (0.95, 0.6)]
EMPTY = {"nodes": [], "links": [], "version": 0.4, "last_node_id": 0, "last_link_id": 0}

# The pointer, which screenshots leave out.
CURSOR = """(() => {
    const cursor = Object.assign(document.createElement("div"), { innerHTML:
        '<svg width="20" height="24"><path d="M2 1v18l5-5 3 8 3-1-3-8h7z" fill="#fff" stroke="#000"/></svg>' });
    cursor.style.cssText = "position:fixed;z-index:99999;pointer-events:none;left:-50px;top:0";
    document.body.append(cursor);
    const move = ({ clientX, clientY }) => {
        Object.assign(cursor.style, { left: `${clientX - 2}px`, top: `${clientY - 1}px` });
    };
    for (const type of ["pointermove", "pointerdown"]) document.addEventListener(type, move, { capture: true });
})()"""


@contextmanager
def editor_page(server: ComfyServer, width: int = 1500, height: int = 1200):
    """A window with ComfyUI's editor."""
    chromium = find_chromium()
    if chromium is None:
        raise ComfyError("no Chromium on this machine")
    page = Page(chromium)
    try:
        page.resize(width, height)
        page.open(server.url)
        page.evaluate("localStorage.setItem('vueNodesBannerDismissed', 'true')")
        page.open_editor(server.url)
        yield page
    finally:
        page.close()


def shot(page: Page, box: list[float] | None = None) -> Image.Image:
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    return picture.crop([round(side) for side in box]) if box else picture


def node_box(page: Page, node: str) -> list[float]:
    """Brings a node (JavaScript) to a free place of the window; where it then lies, with a margin."""
    return page.evaluate(
        f"""new Promise((done) => {{
            const node = {node};
            app.canvas.deselectAll();
            app.canvas.ds.scale = 1;
            app.canvas.ds.offset = [330 - node.pos[0], 220 - node.pos[1]];
            app.canvas.setDirty(true, true);
            const top = app.canvas.canvas.getBoundingClientRect();
            const [x, y] = [top.left + 330, top.top + 220];
            setTimeout(() => {{
                app.canvas.draw(true, true); // a node may have grown after it was drawn
                done([x - 14, y - 44, x + node.size[0] + 14, y + node.size[1] + 14]);
            }}, 700);
        }})"""
    )


def nodes(client: ComfyClient, server: ComfyServer, save) -> None:
    """One picture of each node but TRACKS, after a run of the short workflow where it is part of that."""
    kinds = [kind for kind in client.object_info() if kind.startswith("Driftfield") and kind != TRACKS]
    workflow = json.loads((PACK_ROOT / "workflows" / "short_animation.json").read_text(encoding="utf-8"))
    with editor_page(server) as page:
        page.load(workflow)
        page.evaluate("app.queuePrompt(0)")
        page.wait_for("document.querySelector('video')?.readyState >= 2", timeout_s=1200)
        page.wait_for(
            "app.graph.nodes.filter((node) => node.type.endsWith('PreviewFlow')).every((node) => node.imgs?.length)"
        )
        present = {node["type"] for node in workflow["nodes"]}
        for kind in kinds:
            if kind in present:
                node = f"app.graph.nodes.find(({{ type }}) => type === '{kind}')"
                save(shot(page, node_box(page, node)), HELP / f"{kind.removeprefix('Driftfield')}.webp")
        page.load(EMPTY)
        for kind in kinds:
            if kind not in present:
                page.evaluate(f"void app.graph.add(window.shown = LiteGraph.createNode('{kind}'))")
                page.evaluate("window.shown.pos = [0, 0], window.shown.setSize([340, window.shown.size[1]])")
                save(shot(page, node_box(page, "window.shown")), HELP / f"{kind.removeprefix('Driftfield')}.webp")
                page.evaluate("app.graph.remove(window.shown)")


def with_editor(page: Page) -> tuple[Hand, list[float]]:
    """The example picture under an empty editor, and the nodes behind it; a hand on it, and where the node lies."""
    page.load(EMPTY)
    page.evaluate(
        """(() => {
            const make = (kind, x) => {
                const node = LiteGraph.createNode(kind);
                app.graph.add(node);
                node.pos = [x, 0];
                return node;
            };
            const [load, draw] = [make("LoadImage", -1200), make("DriftfieldDrawMotionArrows", 0)];
            const [sparse, dense] = [make("DriftfieldArrowsToSparseFlow", 1500), make("DriftfieldDensifyFlow", 1900)];
            load.widgets.find(({ name }) => name === "image").value = EXAMPLE;
            dense.widgets.find(({ name }) => name === "sigma").value = 70;
            draw.setSize([460, 640]);
            load.connect(0, draw, 0);
            draw.connect(0, sparse, 0);
            sparse.connect(0, dense, 0);
            sparse.connect(1, dense, 1);
            draw.connect(3, dense, 2);
        })()""".replace("EXAMPLE", json.dumps(EXAMPLE))
    )
    hand = Hand(page, Image.open(PACK_ROOT / "workflows" / EXAMPLE).size)
    hand.take()
    box = node_box(page, "window.driftfield_node")
    page.wait_for("window.driftfield_canvas().isConnected")
    page.evaluate("new Promise((done) => setTimeout(done, 800))")
    return hand, box


def line(a, b, steps: int) -> list[tuple[float, float]]:
    return [(a[0] + (b[0] - a[0]) * i / steps, a[1] + (b[1] - a[1]) * i / steps) for i in range(steps + 1)]


def demonstration(server: ComfyServer) -> tuple[list[Image.Image], list[int]]:
    """Frames of the editor at work, and how long each is shown in ms."""
    frames, times = [], []
    with editor_page(server) as page:
        page.evaluate(CURSOR)
        hand, box = with_editor(page)

        def show(ms: int = 80) -> None:
            frames.append(shot(page, box))
            times.append(ms)

        def drag(positions, **more) -> None:
            hand.drag(*positions, each=show, **more)
            show(350)

        def stay(count: int) -> None:
            for _ in range(count):
                show()

        def found() -> None:
            """Until the page has said which thing lies there."""
            page.evaluate("new Promise((done) => setTimeout(done, 1500))")
            show(900)

        show(700)
        drag(line((0.6, 0.36), (0.64, 0.24), 8), modifiers=ALT)
        found()
        hand.press("object")
        hand.click((0.705, 0.3))
        found()
        hand.press("arrow")
        drag(line((0.21, 0.25), (0.27, 0.19), 8), modifiers=ALT)
        found()
        hand.key("Escape")
        drag(
            [(0.4 + 0.15 * t, 0.5 + 0.015 * math.sin(5 * t)) for t in (i / 8 for i in range(9))],
            modifiers=SHIFT,
        )
        for pin in PINS:
            hand.click(pin)
            show(300)
        hand.press("flow")
        stay(12)
        hand.press("flow")
        stay(6)
        hand.press("flow")
        hand.press("playing")
        page.evaluate("new Promise((done) => setTimeout(done, 1500))")  # the layers come
        stay(40)
        hand.press("playing")
        show(900)
    return frames, times


def views(server: ComfyServer, save) -> None:
    """The editor's views of the flow, the region and the motion, side by side."""
    with editor_page(server) as page:
        hand, _ = with_editor(page)
        for path in (((0.6, 0.36), (0.63, 0.26)), ((0.21, 0.25), (0.24, 0.16)), *((pin,) for pin in PINS)):
            hand.drag(*path)
        root = "window.driftfield_canvas().closest('.driftfield-editor').getBoundingClientRect()"
        box = page.evaluate(f"(({{ left, top, right, bottom }}) => [left, top, right, bottom])({root})")
        seen = []
        for act in (lambda: hand.press("flow"), lambda: hand.press("flow"), lambda: paint(hand)):
            act()
            page.evaluate("new Promise((done) => setTimeout(done, 1200))")
            seen.append(shot(page, box))
        width, height = seen[0].size
        sheet = Image.new("RGB", (len(seen) * (width + 8) - 8, height))
        for i, picture in enumerate(seen):
            sheet.paste(picture, (i * (width + 8), 0))
        save(sheet.resize((sheet.width * 2 // 3, sheet.height * 2 // 3), Image.Resampling.LANCZOS), HELP / "views.webp")


def paint(hand: Hand) -> None:
    hand.press("flow")
    hand.press("paint")
    for _ in range(4):
        hand.key("]")
    for y in (0.1, 0.2, 0.3, 0.4):
        hand.drag(*line((0.15, y), (0.7, y), 3))
