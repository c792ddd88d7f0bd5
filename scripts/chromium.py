"""The system's Chromium, without a window, through playwright: as much of it as the tests and the pictures need."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import ConsoleMessage, Error, sync_playwright

READY = (  # ComfyUI's editor knows its nodes, and has opened the workflow that it starts with
    "document.querySelector('canvas') && window.app?.extensionManager?.workflow?.activeWorkflow",
    "Object.keys(window.LiteGraph?.registered_node_types ?? {}).includes('KSampler')",
)
NAMES = ("chromium", "chromium-browser", "google-chrome")


def find_chromium() -> str | None:
    return next(filter(None, map(shutil.which, NAMES)), None)


class Page:
    """One tab. `console` gathers what the page logs as an error or a warning, and its uncaught exceptions."""

    def __init__(self, chromium: str):
        self.console: list[str] = []
        # ComfyUI's editor asks a registry about nodes: nothing here leaves the machine.
        arguments = ["--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
        self._playwright = sync_playwright().start()
        try:
            self._browser = self._playwright.chromium.launch(executable_path=chromium, args=arguments)
        except BaseException:
            self._playwright.stop()
            raise
        self._open_tab()

    def _open_tab(self) -> None:
        self._page = self._browser.new_page(viewport={"width": 1600, "height": 1000})
        self._page.set_default_timeout(120_000)
        self._page.on("console", self._note)
        self._page.on("pageerror", lambda error: self.console.append(f"exception: {error.stack or error.message}"))
        self._page.on("dialog", lambda dialog: dialog.accept())  # leave, though something is not saved?
        self._devtools = self._page.context.new_cdp_session(self._page)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Another tab in this one's place, with a memory of its own: nothing that is done there is seen here."""
        page, devtools = self._page, self._devtools
        self._open_tab()
        try:
            yield
        finally:
            self._page.context.close()
            self._page, self._devtools = page, devtools

    def _note(self, message: ConsoleMessage) -> None:
        other_machine = "ERR_NAME_NOT_RESOLVED" in message.text  # see above
        if message.type in ("error", "warning") and not other_machine:
            self.console.append(f"{message.type}: {message.text} {message.location['url']}")

    def _call(self, method: str, **parameters) -> dict:
        """A command of Chromium's DevTools, for what playwright has no word for: fingers, pens, a clock."""
        return self._devtools.send(method, parameters)

    @contextmanager
    def traced(self) -> Iterator[list[dict]]:
        """A list that holds, once the block has ended, the events of Chromium's own trace of it."""
        events: list[dict] = []
        self._browser.start_tracing(page=self._page, categories=["toplevel", "devtools.timeline"])
        yield events
        events += json.loads(self._browser.stop_tracing())["traceEvents"]

    def open(self, url: str) -> None:
        self._page.goto(url, wait_until="commit")

    def open_editor(self, url: str) -> None:
        """Opens ComfyUI and waits until a workflow can be loaded."""
        self.open(url)
        for condition in READY:
            self.wait_for(condition)

    def load(self, workflow: dict) -> None:
        """Loads a workflow file's content into ComfyUI's editor."""
        self.evaluate(f"window.app.loadGraphData({json.dumps(workflow)})")
        self.wait_for(f"window.app.graph.nodes.length === {len(workflow['nodes'])}")

    def prompt(self) -> dict:
        """What ComfyUI's editor would queue, without Load Video's player, which newer front ends send along in vain."""
        prompt = self.evaluate("window.app.graphToPrompt().then(({output}) => output)")
        for node in prompt.values():
            node["inputs"].pop("video-preview", None)
        return prompt

    def evaluate(self, script: str):
        """The value of a JavaScript expression, awaited; RuntimeError with the page's own stack if it throws."""
        try:
            return self._page.evaluate(script)
        except Error as error:
            raise RuntimeError(error.message) from error

    def wait_for(self, condition: str, timeout_s: float = 60) -> None:
        try:
            self._page.wait_for_function(f"Boolean({condition})", timeout=1000 * timeout_s, polling=200)
        except Error as error:
            said = "\n".join(self.console)
            raise RuntimeError(f"not within {timeout_s:.0f} s: {condition}\n{said}") from error

    def resize(self, width: int, height: int, *, ratio: float = 1) -> None:
        size = {"width": width, "height": height, "deviceScaleFactor": ratio, "mobile": False}
        self._call("Emulation.setDeviceMetricsOverride", **size)

    def screenshot(self) -> bytes:
        """What the window shows, as a PNG."""
        return base64.b64decode(self._call("Page.captureScreenshot", format="png")["data"])

    def close(self) -> None:
        self._browser.close()
        self._playwright.stop()
