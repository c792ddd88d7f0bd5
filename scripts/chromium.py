"""A headless Chromium, driven over its DevTools websocket: as much of it as the tests and the pictures need."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import websocket

READY = (  # ComfyUI's editor knows its nodes, and has opened the workflow that it starts with
    "document.querySelector('canvas') && window.app?.extensionManager?.workflow?.activeWorkflow",
    "Object.keys(window.LiteGraph?.registered_node_types ?? {}).includes('KSampler')",
)
NAMES = ("chromium", "chromium-browser", "google-chrome")


def find_chromium() -> str | None:
    return next(filter(None, map(shutil.which, NAMES)), None)


class Page:
    """One tab. `console` gathers what the page logs as an error or a warning, and its uncaught exceptions."""

    def __init__(self, chromium: str, profile: Path):
        self.console: list[str] = []
        self._number = 0
        arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
        arguments += ["--window-size=1600,1000", "--remote-debugging-port=0", f"--user-data-dir={profile}"]
        # Chromium asks for updates, and ComfyUI's editor asks a registry about nodes: nothing here leaves the machine.
        arguments += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
        arguments += ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
        self._process = subprocess.Popen(
            [chromium, *arguments, "about:blank"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            port, path = self._wait_for_port(profile / "DevToolsActivePort")
            address = f"ws://127.0.0.1:{port}{path}"
            self._socket = websocket.create_connection(address, timeout=120, suppress_origin=True, http_no_proxy=["*"])
            target = self._call("Target.createTarget", url="about:blank")["targetId"]
            self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            for domain in ("Page", "Runtime", "Log"):
                self._call(f"{domain}.enable")
        except BaseException:
            self.close()
            raise

    _session: str | None = None

    def _wait_for_port(self, file: Path) -> tuple[str, str]:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if file.exists() and len(lines := file.read_text(encoding="utf-8").split()) == 2:
                return lines[0], lines[1]
            time.sleep(0.1)
        raise RuntimeError(f"Chromium wrote no {file.name} within 60 s")

    def _send(self, method: str, **parameters) -> int:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        self._socket.send(json.dumps(message))
        return self._number

    def _call(self, method: str, **parameters) -> dict:
        number = self._send(method, **parameters)
        while True:
            answer = json.loads(self._socket.recv())
            if answer.get("id") == number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            if answer.get("method") == "Page.javascriptDialogOpening":  # leave, though something is not saved?
                self._send("Page.handleJavaScriptDialog", accept=True)
            elif "method" in answer:
                self._note(answer)

    @contextmanager
    def traced(self):
        """A list that holds, once the block has ended, the events of Chromium's own trace of it."""
        self._trace, self._traced = [], False
        self._call("Tracing.start", traceConfig={"includedCategories": ["toplevel", "devtools.timeline"]})
        yield self._trace
        self._call("Tracing.end")
        while not self._traced:
            self._note(json.loads(self._socket.recv()))

    def _note(self, event: dict) -> None:
        parameters = event.get("params", {})
        if event["method"] == "Tracing.dataCollected":
            self._trace += parameters["value"]
        self._traced = event["method"] == "Tracing.tracingComplete"
        if event["method"] == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "warning"):
            words = [str(argument.get("value", argument.get("description"))) for argument in parameters["args"]]
            self.console.append(f"{parameters['type']}: {' '.join(words)}")
        elif event["method"] == "Runtime.exceptionThrown":
            details = parameters["exceptionDetails"]
            self.console.append(f"exception: {details.get('exception', {}).get('description', details['text'])}")
        elif event["method"] == "Log.entryAdded" and parameters["entry"]["level"] == "error":
            text, url = parameters["entry"]["text"], parameters["entry"].get("url", "")
            if "ERR_NAME_NOT_RESOLVED" not in text:  # another machine, see above
                self.console.append(f"error: {text} {url}")

    def open(self, url: str) -> None:
        self._call("Page.navigate", url=url)

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
        answer = self._call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"]["exception"].get("description", answer["exceptionDetails"]))
        return answer["result"].get("value")

    def wait_for(self, condition: str, timeout_s: float = 60) -> None:
        deadline = time.monotonic() + timeout_s
        while not self.evaluate(f"Boolean({condition})"):
            if time.monotonic() > deadline:
                raise RuntimeError(f"not within {timeout_s:.0f} s: {condition}\n" + "\n".join(self.console))
            time.sleep(0.2)

    def resize(self, width: int, height: int, *, ratio: float = 1) -> None:
        size = {"width": width, "height": height, "deviceScaleFactor": ratio, "mobile": False}
        self._call("Emulation.setDeviceMetricsOverride", **size)

    def screenshot(self) -> bytes:
        """What the window shows, as a PNG."""
        return base64.b64decode(self._call("Page.captureScreenshot", format="png")["data"])

    def close(self) -> None:
        if hasattr(self, "_socket"):
            self._socket.close()
        self._process.terminate()
        self._process.wait(20)
