"""A mouse and a keyboard over the arrow editor in ComfyUI's page, for the tests and the pictures."""

from __future__ import annotations

import json
import time

from chromium import Page

ALT, CTRL, SHIFT = 1, 2, 8
MODULES = "/extensions/driftfield/js/editor"
DRAW = "({ type }) => type === 'DriftfieldDrawMotionArrows'"
KEY_CODES = {"Delete": 46, "ArrowRight": 39, "Escape": 27, "[": 219, "]": 221}

STEADY = """(async () => {
    let [last, same] = ["", 0];
    for (const end = Date.now() + 60_000; same < 5; await new Promise(requestAnimationFrame)) {
        const rect = JSON.stringify(window.driftfield_canvas().getBoundingClientRect());
        same = rect === last ? same + 1 : 0;
        last = rect;
        if (Date.now() > end) throw new Error(`the editor does not lie still: ${rect}`);
    }
})()"""


class Hand:
    """Works on the node `window.driftfield_node` (see `take`); positions are 0..1 of its picture of `size` px."""

    def __init__(self, page: Page, size: tuple[int, int] = (64, 64)):
        self.page = page
        self.size = size
        self.pointer = "mouse"  # or "pen"
        self._clock = time.time()  # the mouse's own, so that neither waiting nor a busy machine changes what is a click

    def take(self, node: str = f"app.graph.nodes.find({DRAW})", scale: float = 1.0) -> None:
        """Brings a node (JavaScript) into view at that zoom, and waits until its editor is drawn and lies still."""
        self.page.evaluate(
            f"""(() => {{
                const node = window.driftfield_node = {node};
                window.driftfield_canvas = () => node.widgets.find(({{ name }}) => name === "driftfield_arrow_editor")
                    .element.querySelector("canvas");
                app.canvas.ds.scale = {scale};
                app.canvas.ds.offset = [300 / {scale} - node.pos[0], 150 / {scale} - node.pos[1]];
                app.canvas.setDirty(true, true);
            }})()"""
        )
        self.page.wait_for("window.driftfield_canvas()?.isConnected && window.driftfield_canvas().clientWidth > 100")
        self.page.evaluate(STEADY)

    def at(self, *positions: tuple[float, float]) -> list[tuple[float, float]]:
        """Where those positions of the picture lie in the window, px."""
        return self.page.evaluate(
            f"""import("{MODULES}/geometry.js").then(({{ pictureBox, toScreen }}) => {{
                const canvas = window.driftfield_canvas();
                const rect = canvas.getBoundingClientRect();
                const box = pictureBox([canvas.clientWidth, canvas.clientHeight], {list(self.size)});
                const scale = rect.width / canvas.clientWidth;
                return {[[float(u), float(v)] for u, v in positions]}.map((place) => {{
                    const [x, y] = toScreen(place, box);
                    return [rect.left + x * scale, rect.top + y * scale];
                }});
            }})"""
        )

    def _mouse(self, kind: str, position: tuple[float, float], **more) -> None:
        x, y = position
        self._clock += 0.01
        self.page._call(
            "Input.dispatchMouseEvent", type=kind, x=x, y=y, timestamp=self._clock, pointerType=self.pointer, **more
        )

    def drag(self, *positions: tuple[float, float], modifiers: int = 0, button: str = "left", each=None) -> None:
        buttons = {"button": button, "buttons": 1 if button == "left" else 2, "modifiers": modifiers}
        points = self.at(*positions)
        self._mouse("mouseMoved", points[0], modifiers=modifiers)
        self._mouse("mousePressed", points[0], clickCount=1, **buttons)
        for point in points[1:]:
            self._mouse("mouseMoved", point, **buttons)
            if each:
                each()
        self._mouse("mouseReleased", points[-1], clickCount=1, **{**buttons, "buttons": 0})

    def click(self, position: tuple[float, float], modifiers: int = 0) -> None:
        self.drag(position, modifiers=modifiers)
        self._clock += 0.5  # or the next click is the second of a double-click

    def double_click(self, position: tuple[float, float]) -> None:
        self.drag(position)
        self.click(position)

    def wheel(self, position: tuple[float, float], notches: int) -> None:
        (point,) = self.at(position)
        for _ in range(abs(notches)):
            self._mouse("mouseWheel", point, deltaX=0, deltaY=-100 if notches > 0 else 100)

    def touch(self, *paths: list[tuple[float, float]]) -> None:
        """Fingers along those paths of equal length, all at once; with a single path of one position, a tap."""
        steps = [self.at(*together) for together in zip(*paths, strict=True)]
        kinds = ["touchStart", *["touchMove"] * (len(steps) - 1)]
        for kind, positions in zip(kinds, steps, strict=True):
            points = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(positions)]
            self.page._call("Input.dispatchTouchEvent", type=kind, touchPoints=points)
        self.page._call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    def key(self, key: str, modifiers: int = 0) -> None:
        code = KEY_CODES.get(key, ord(key[0].upper()))
        for kind in ("rawKeyDown", "keyUp"):
            self.page._call(
                "Input.dispatchKeyEvent", type=kind, key=key, modifiers=modifiers, windowsVirtualKeyCode=code
            )

    def press(self, action: str) -> None:
        """Clicks a button of the editor, and waits until its bars, which may be other ones now, lie still."""
        root = "window.driftfield_canvas().closest('.driftfield-editor')"
        self.page.evaluate(f"{root}.querySelector('[data-action={action}]').click()")
        self.page.evaluate(STEADY)

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

    def pixel(self, u: float = 0.5, v: float = 0.5) -> list[int]:
        """[r, g, b, a] that the editor shows at a position of its picture."""
        return self.page.evaluate(
            f"""import("{MODULES}/geometry.js").then(({{ pictureBox, toScreen }}) => {{
                const canvas = window.driftfield_canvas();
                const box = pictureBox([canvas.clientWidth, canvas.clientHeight], {list(self.size)});
                const [x, y] = toScreen([{u}, {v}], box).map((value) => (value * canvas.width) / canvas.clientWidth);
                return [...canvas.getContext("2d").getImageData(x, y, 1, 1).data];
            }})"""
        )

    def wait_for_pixel(
        self, channel: int, low: int, high: int = 256, position=(0.5, 0.5), timeout_s: float = 10
    ) -> None:
        deadline = time.monotonic() + timeout_s
        while not low <= (seen := self.pixel(*position))[channel] < high:
            if time.monotonic() > deadline:
                raise RuntimeError(f"pixel {position} is {seen}, channel {channel} not within {low}..{high}")
            time.sleep(0.1)

    @property
    def text(self) -> str:
        return self.page.evaluate("window.driftfield_node.widgets.find(({ name }) => name === 'arrows').value")

    @property
    def drawn(self) -> dict:
        """The text, read; empty where there is none."""
        return json.loads(self.text or "{}")

    @property
    def arrows(self) -> list[dict]:
        return self.drawn.get("arrows", [])

    def paths(self) -> list[list[list[float]]]:
        return [arrow["points"] for arrow in self.arrows]

    def queued(self) -> str:
        """The text in the prompt that ComfyUI would queue now."""
        return self.page.evaluate(
            """app.graphToPrompt().then(({ output }) => Object.values(output)
                .find(({ class_type, inputs }) => class_type === "DriftfieldDrawMotionArrows").inputs.arrows)"""
        )
