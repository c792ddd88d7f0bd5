"""The arrow editor in ComfyUI's own front end, under a real pointer and keyboard, in both renderers."""

import json
import time

import numpy as np
import pytest
from chromium import Page, find_chromium
from comfy_client import ComfyClient
from PIL import Image

SIZE = 64  # px, the stills here
CTRL, SHIFT, ALT = 2, 8, 1
MODULES = "/extensions/driftfield/js/editor"


class Hand:
    """A mouse and a keyboard over the editor of the node `window.driftfield_node`; places are 0..1 of the picture."""

    def __init__(self, page: Page):
        self.page = page

    def at(self, u: float, v: float) -> tuple[float, float]:
        x, y = self.page.evaluate(
            f"""import("{MODULES}/geometry.js").then(({{ pictureBox, toScreen }}) => {{
                const canvas = window.driftfield_canvas();
                const rect = canvas.getBoundingClientRect();
                const box = pictureBox([canvas.clientWidth, canvas.clientHeight], [{SIZE}, {SIZE}]);
                const [x, y] = toScreen([{u}, {v}], box);
                const scale = rect.width / canvas.clientWidth;
                return [rect.left + x * scale, rect.top + y * scale];
            }})"""
        )
        return x, y

    def _mouse(self, kind: str, place: tuple[float, float], **more) -> None:
        x, y = place
        self.page._call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def drag(self, *places: tuple[float, float], modifiers: int = 0, button: str = "left") -> None:
        held = {"button": button, "buttons": 1 if button == "left" else 2, "modifiers": modifiers}
        points = [self.at(*place) for place in places]
        self._mouse("mouseMoved", points[0], modifiers=modifiers)
        self._mouse("mousePressed", points[0], clickCount=1, **held)
        for point in points[1:]:
            self._mouse("mouseMoved", point, **held)
        self._mouse("mouseReleased", points[-1], clickCount=1, **{**held, "buttons": 0})

    def click(self, place: tuple[float, float], modifiers: int = 0, *, apart: bool = True) -> None:
        self.drag(place, modifiers=modifiers)
        if apart:
            time.sleep(0.4)  # or the next click is the second of a double-click

    def wheel(self, place: tuple[float, float], notches: int) -> None:
        for _ in range(abs(notches)):
            self._mouse("mouseWheel", self.at(*place), deltaX=0, deltaY=-100 if notches > 0 else 100)

    def key(self, key: str, modifiers: int = 0) -> None:
        code = {"Delete": 46, "ArrowRight": 39}.get(key, ord(key[0].upper()))
        for kind in ("rawKeyDown", "keyUp"):
            self.page._call(
                "Input.dispatchKeyEvent", type=kind, key=key, modifiers=modifiers, windowsVirtualKeyCode=code
            )

    def clipboard(self, kind: str, text: str = "") -> str:
        """What a copy or paste leaves on the clipboard; the event is made here, as headless Chromium has none."""
        return self.page.evaluate(
            f"""(() => {{
                const clipboardData = new DataTransfer();
                clipboardData.setData("text/plain", {json.dumps(text)});
                document.activeElement.dispatchEvent(
                    new ClipboardEvent("{kind}", {{ clipboardData, bubbles: true, cancelable: true }}));
                return clipboardData.getData("text/plain");
            }})()"""
        )

    @property
    def text(self) -> str:
        return self.page.evaluate("window.driftfield_node.widgets.find(({ name }) => name === 'arrows').value")

    @property
    def arrows(self) -> list[dict]:
        return json.loads(self.text)["arrows"] if self.text else []

    def paths(self) -> list[list[list[float]]]:
        return [arrow["points"] for arrow in self.arrows]


def close(paths, expected) -> bool:
    """Whether places agree to 1.5 px of the still, and there are as many."""
    if [len(path) for path in paths] != [len(path) for path in expected]:
        return False
    return all(np.abs(np.subtract(a, b)).max() < 1.5 / SIZE for a, b in zip(paths, expected, strict=True))


@pytest.fixture(scope="module", params=["classic", "nodes 2.0"])
def page(request, server, tmp_path_factory):
    chromium = find_chromium()
    if chromium is None:
        pytest.skip("no chromium on this machine")
    for name, color in (("red", (200, 30, 30)), ("blue", (30, 30, 200))):
        Image.new("RGB", (SIZE, SIZE), color).save(server.base / "input" / f"{name}.png")
    with ComfyClient(server.url) as client:
        settings = {"Comfy.TutorialCompleted": True, "Comfy.VueNodes.Enabled": request.param != "classic"}
        client.request("/settings", settings)
        opened = Page(chromium, tmp_path_factory.mktemp("chromium"))
        opened.open(server.url)
        opened.wait_for("window.app?.graph && document.querySelector('canvas') && window.app.extensionManager")
        opened.wait_for("Object.keys(window.LiteGraph?.registered_node_types ?? {}).includes('KSampler')")
        yield opened
        opened.close()
        client.request("/settings", {"Comfy.VueNodes.Enabled": False})


def show(page, node: str, scale: float = 1.0) -> None:
    """Makes `node` (JavaScript) the one that a Hand works on, and waits until its editor is drawn."""
    page.evaluate(
        f"""(() => {{
            const node = window.driftfield_node = {node};
            window.driftfield_canvas = () => node.widgets.find(({{ name }}) => name === "driftfield_arrow_editor")
                .element.querySelector("canvas");
            app.canvas.ds.scale = {scale};
            app.canvas.ds.offset = [300 / {scale} - node.pos[0], 150 / {scale} - node.pos[1]];
            app.canvas.setDirty(true, true);
        }})()"""
    )
    page.wait_for("window.driftfield_canvas()?.isConnected && window.driftfield_canvas().clientWidth > 100")
    steady = """new Promise((done) => {
        let [last, same] = ["", 0];
        const look = () => {
            const rect = JSON.stringify(window.driftfield_canvas().getBoundingClientRect());
            same = rect === last ? same + 1 : 0;
            last = rect;
            same > 4 ? done() : setTimeout(look, 40);
        };
        look();
    })"""
    page.evaluate(steady)


GRAPH = {
    "nodes": [
        {"id": 1, "type": "LoadImage", "pos": [0, 100], "size": [300, 300], "widgets_values": ["red.png", "image"]},
        {"id": 2, "type": "DriftfieldDrawMotionArrows", "pos": [400, 100], "size": [440, 560], "widgets_values": [""]},
        {"id": 3, "type": "PreviewImage", "pos": [950, 100], "size": [300, 300]},
    ],
    "links": [[1, 1, 0, 2, 0, "IMAGE"], [2, 2, 1, 3, 0, "IMAGE"]],
    "version": 0.4,
    "last_node_id": 3,
    "last_link_id": 2,
}
GRAPH["nodes"][0]["outputs"] = [
    {"name": "IMAGE", "type": "IMAGE", "links": [1]},
    {"name": "MASK", "type": "MASK", "links": None},
]
GRAPH["nodes"][1]["inputs"] = [{"name": "image", "type": "IMAGE", "link": 1}]
GRAPH["nodes"][1]["outputs"] = [
    {"name": "arrows", "type": "MOTION_ARROWS", "links": None},
    {"name": "preview", "type": "IMAGE", "links": [2]},
    {"name": "coordinates", "type": "STRING", "links": None},
]
GRAPH["nodes"][2]["inputs"] = [{"name": "images", "type": "IMAGE", "link": 2}]


@pytest.fixture
def hand(page):
    """A new graph: LoadImage to Draw Motion Arrows, whose preview is saved."""
    page.console.clear()
    page.evaluate(f"app.loadGraphData({json.dumps(GRAPH)})")
    page.wait_for("app.graph.nodes.length === 3 && document.querySelectorAll('.driftfield-editor').length === 1")
    page.evaluate("void (window.driftfield_load = app.graph.getNodeById(1))")
    show(page, "app.graph.nodes.find(({ type }) => type === 'DriftfieldDrawMotionArrows')")
    page.wait_for(f"({PIXEL})[0] > 150")
    yield Hand(page)
    assert [line for line in page.console if "driftfield" in line.lower()] == []


PIXEL = """(() => {
    const canvas = window.driftfield_canvas();
    return [...canvas.getContext("2d").getImageData(canvas.width / 2, canvas.height / 2, 1, 1).data];
})()"""


def queued(page) -> str:
    script = "app.graphToPrompt().then(({ output }) => output[String(window.driftfield_node.id)].inputs)"
    return page.evaluate(script)["arrows"]


def test_the_picture_is_there_before_anything_has_run_and_follows_a_change(page, hand):
    page.evaluate("window.driftfield_load.widgets.find(({ name }) => name === 'image').value = 'blue.png'")
    page.wait_for(f"({PIXEL})[2] > 150", timeout_s=10)
    page.evaluate("window.driftfield_load.disconnectOutput(0)")
    page.wait_for(f"({PIXEL})[2] < 100", timeout_s=10)


@pytest.mark.parametrize("scale", [1.0, 0.7, 1.3])
def test_what_is_drawn_bent_and_made_stronger_is_queued_exactly(page, hand, scale):
    show(page, "window.driftfield_node", scale)
    hand.drag((0.2, 0.3), (0.5, 0.3), (0.8, 0.3))
    assert close(hand.paths(), [[[0.2, 0.3], [0.8, 0.3]]])
    hand.click((0.5, 0.3), apart=False)
    hand.click((0.5, 0.3))  # the second click of two puts a point there
    hand.drag((0.5, 0.3), (0.5, 0.5), (0.5, 0.6))
    assert close(hand.paths(), [[[0.2, 0.3], [0.5, 0.6], [0.8, 0.3]]])
    bent = hand.text
    hand.wheel((0.2, 0.3), 3)
    assert hand.arrows[0]["strength"] == 1.3
    hand.key("z", CTRL)
    assert hand.text == bent
    hand.key("y", CTRL)
    assert hand.arrows[0]["strength"] == 1.3
    hand.key("z", CTRL)
    hand.key("z", CTRL)
    hand.key("z", CTRL | SHIFT)
    assert hand.text == bent == queued(page)
    assert json.loads(bent)["ref"] == [SIZE, SIZE]
    assert page.evaluate("app.graph.nodes.length") == 3  # undo stayed inside the editor


def test_pins_curves_and_many_at_once(page, hand):
    hand.click((0.1, 0.9))
    curve = [(0.2 + 0.02 * i, 0.5 - 0.2 * np.sin(i * np.pi / 30)) for i in range(31)]
    hand.drag(*curve, modifiers=SHIFT)
    hand.drag((0.3, 0.8), (0.6, 0.8), (0.7, 0.8))
    pin, curved, straight = hand.paths()
    assert close([pin, straight], [[[0.1, 0.9]], [[0.3, 0.8], [0.7, 0.8]]])
    assert 4 < len(curved) < 31 and min(y for _, y in curved) == pytest.approx(0.3, abs=0.03)

    hand.drag((0.05, 0.97), (0.5, 0.8), (0.9, 0.7), modifiers=CTRL)
    hand.key("ArrowRight")
    assert close(hand.paths(), [[[0.1 + 1 / SIZE, 0.9]], curved, [[0.3 + 1 / SIZE, 0.8], [0.7 + 1 / SIZE, 0.8]]])
    hand.key("d", CTRL)
    assert len(hand.arrows) == 5
    hand.key("Delete")
    assert [len(path) for path in hand.paths()] == [1, len(curved), 2]
    page.evaluate(
        "window.driftfield_canvas().closest('.driftfield-editor').querySelector('[data-action=clear]').click()"
    )
    assert hand.text == queued(page) == ""
    hand.key("z", CTRL)
    assert len(hand.arrows) == 3
    assert page.evaluate("app.graph.nodes.length") == 3


def test_a_click_again_selects_the_arrow_underneath(hand):
    hand.drag((0.2, 0.5), (0.5, 0.5), (0.8, 0.5))
    hand.drag((0.5, 0.2), (0.5, 0.35), (0.5, 0.8), modifiers=SHIFT)
    for _ in range(2):
        hand.click((0.5, 0.5))
        hand.wheel((0.5, 0.5), 1)
    assert sorted(arrow["strength"] for arrow in hand.arrows) == [1.1, 1.1]


def test_copies_and_pastes_our_arrows_and_kjnodes_coordinates(hand):
    hand.drag((0.2, 0.5), (0.5, 0.5), (0.75, 0.5))
    copied = hand.clipboard("copy")
    assert json.loads(copied)["arrows"] == hand.arrows
    hand.clipboard("paste", json.dumps([[{"x": 16, "y": 32}, {"x": 48, "y": 32}], [{"x": 8, "y": 8}]]))
    hand.clipboard("paste", copied)
    assert close(hand.paths()[1:], [[[0.25, 0.5], [0.75, 0.5]], [[0.125, 0.125]], [[0.2, 0.5], [0.75, 0.5]]])


def test_a_workflow_that_is_saved_and_opened_holds_the_same_arrows(page, hand):
    hand.drag((0.2, 0.2), (0.5, 0.3), (0.7, 0.6))
    hand.wheel((0.7, 0.6), 2)
    drawn = hand.text
    page.evaluate("window.driftfield_saved = JSON.parse(JSON.stringify(app.graph.serialize()))")
    saved = page.evaluate("window.driftfield_saved.nodes.find(({ id }) => id === 2).widgets_values")
    assert saved == [drawn]
    page.evaluate("app.loadGraphData(window.driftfield_saved)")
    show(page, "app.graph.nodes.find(({ type }) => type === 'DriftfieldDrawMotionArrows')")
    assert hand.text == drawn == queued(page)
    hand.click((0.2, 0.2))
    hand.key("Delete")  # the editor, too, has it
    assert hand.text == ""


def test_copies_of_a_node_have_arrows_of_their_own_and_removal_leaves_nothing(page, hand):
    hand.drag((0.2, 0.2), (0.5, 0.3), (0.7, 0.6))
    first = hand.text

    page.evaluate(
        """(() => {
            const copy = window.driftfield_copy = window.driftfield_node.clone();
            copy.pos = [400, 900];
            app.graph.add(copy);
        })()"""
    )
    page.evaluate("window.driftfield_timers = []; void (window.driftfield_clear = window.clearInterval)")
    page.evaluate("window.clearInterval = (id) => (window.driftfield_timers.push(id), window.driftfield_clear(id))")
    show(page, "window.driftfield_copy")
    assert hand.text == first
    hand.click((0.2, 0.2))
    hand.key("Delete")
    assert hand.text == ""

    page.evaluate("void (window.driftfield_root = window.driftfield_canvas().closest('.driftfield-editor'))")
    assert listeners(page) > 20
    page.evaluate("app.graph.remove(window.driftfield_copy)")
    page.wait_for("!window.driftfield_root.isConnected", timeout_s=10)
    assert listeners(page) == 0
    assert page.evaluate("window.driftfield_timers.length") >= 1  # that it looks for another picture with
    page.evaluate("void (window.clearInterval = window.driftfield_clear)")
    show(page, "app.graph.getNodeById(2)")
    assert hand.text == first


def listeners(page) -> int:
    """How many event listeners hang on the elements of `window.driftfield_root`."""
    count = 0
    for i in range(page.evaluate("window.driftfield_root.querySelectorAll('*').length + 1")):
        element = f"[window.driftfield_root, ...window.driftfield_root.querySelectorAll('*')][{i}]"
        found = page._call("Runtime.evaluate", expression=element)["result"]["objectId"]
        count += len(page._call("DOMDebugger.getEventListeners", objectId=found)["listeners"])
    return count


def test_a_text_that_cannot_be_read_is_shown_and_left_alone(page, hand):
    newer = '{"version": 7, "arrows": []}'
    page.evaluate(f"window.driftfield_node.widgets.find(({{ name }}) => name === 'arrows').value = {json.dumps(newer)}")
    page.wait_for("document.querySelector('.df-problem:not([hidden])')?.textContent.includes('another version')")
    hand.drag((0.2, 0.2), (0.5, 0.3), (0.7, 0.6))
    assert hand.text == newer == queued(page)
