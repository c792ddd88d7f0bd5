"""A ComfyUI server as a child process, and a client that talks to one over HTTP and its websocket."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import websocket

PACK_ROOT = Path(__file__).absolute().parents[1]
# glibc would give each layer's buffers back to the system and take them anew, a fifth of the time of decoding on a CPU.
KEEP_BUFFERS = {"MALLOC_MMAP_THRESHOLD_": str(4 << 30), "MALLOC_TRIM_THRESHOLD_": str(8 << 30)}
# Servers here are on the loopback address, which no configured proxy may see.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class ComfyError(RuntimeError):
    """ComfyUI refused a prompt, or a node failed; the message is what ComfyUI said, in full."""


def make_base_directory(base: Path) -> Path:
    """A ComfyUI base directory with this checkout as its only custom node."""
    for folder in ("custom_nodes", "input", "models", "output", "user/default/workflows"):
        (base / folder).mkdir(parents=True, exist_ok=True)
    link = base / "custom_nodes" / "driftfield"
    if not (link.exists() and link.samefile(PACK_ROOT)):
        link.unlink(missing_ok=True)
        link.symlink_to(PACK_ROOT, target_is_directory=True)
    return base


def workflow_media() -> list[Path]:
    """The pictures and videos that the workflows load: what lies beside them and is not one's own picture."""
    suffixes = (".jpg", ".png", ".webp", ".mp4")
    files = (file for file in (PACK_ROOT / "workflows").rglob("*") if file.suffix in suffixes)
    return [file for file in files if not file.with_suffix(".json").exists()]


class ComfyServer:
    """`main.py` of the ComfyUI in `COMFYUI_DIR`, on the CPU and a free port; a context manager that stops it."""

    def __init__(self, base: Path, *, log: Path, arguments: tuple[str, ...] = (), environment: dict | None = None):
        self.base = make_base_directory(base)
        self.log = log
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        database = base / "user" / "comfyui.db"
        command = [sys.executable, "-u", "main.py", "--cpu", "--disable-auto-launch", "--base-directory", str(base)]
        command += [
            "--preview-method",
            "auto",
            "--port",
            str(self.port),
            "--database-url",
            f"sqlite:///{database}",
            *arguments,
        ]
        started = time.monotonic()
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                command,
                cwd=os.environ["COMFYUI_DIR"],
                env={**KEEP_BUFFERS, **os.environ, **(environment or {})},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the client, which stops the server itself
            )
        try:
            self._wait_until_it_responds(timeout_s=300)
        except BaseException:
            self.stop()
            raise
        self.seconds_to_start = time.monotonic() - started

    def _wait_until_it_responds(self, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise ComfyError(f"ComfyUI ended with status {self.process.returncode}:\n{self.log_text()[-4000:]}")
            try:
                _opener.open(f"{self.url}/system_stats", timeout=5).close()
                return
            except OSError:
                time.sleep(0.2)
        raise ComfyError(f"ComfyUI did not answer within {timeout_s:.0f} s:\n{self.log_text()[-4000:]}")

    def log_text(self) -> str:
        """What the server has logged so far, without the colours that a newer ComfyUI puts there."""
        return re.sub(r"\x1b\[[\d;]*m", "", self.log.read_text(encoding="utf-8", errors="replace"))

    def rss_mb(self, *, peak: bool = False) -> float:
        """Resident memory of the server process in MiB, now or (`peak`) the most that it ever was."""
        key = "VmHWM:" if peak else "VmRSS:"
        for line in Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8").splitlines():
            if line.startswith(key):
                return int(line.split()[1]) / 1024
        raise ComfyError(f"the server process {self.process.pid} has ended")

    def file(self, entry: dict) -> Path:
        """Where a saved file lies, of `Result.files`."""
        return self.base / entry["type"] / entry["subfolder"] / entry["filename"]

    def stop(self) -> None:
        for stop_signal, patience_s in ((signal.SIGINT, 10), (signal.SIGKILL, 10)):
            if self.process.poll() is None:
                self.process.send_signal(stop_signal)
                try:
                    self.process.wait(patience_s)
                except subprocess.TimeoutExpired:
                    continue

    def __enter__(self) -> ComfyServer:
        return self

    def __exit__(self, *_) -> None:
        self.stop()


@dataclass
class Result:
    """What a finished prompt left behind. Times are seconds; nodes are the ids of the API form."""

    prompt_id: str
    outputs: dict = field(default_factory=dict)  # node -> the `ui` dict that it sent
    executed: list[str] = field(default_factory=list)  # in order, without the cached ones
    cached: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    steps: dict[str, tuple[int, int]] = field(default_factory=dict)  # node -> last (step, of how many)
    previews: list[bytes] = field(default_factory=list)
    interrupted: bool = False
    error: dict | None = None

    def files(self, node: str | None = None) -> list[dict]:
        """Every saved file, or those of one node: {"filename", "subfolder", "type"}."""
        return [
            entry
            for output in (self.outputs.values() if node is None else [self.outputs.get(node, {})])
            for values in output.values()
            if isinstance(values, list)
            for entry in values
            if isinstance(entry, dict) and "filename" in entry
        ]


class ComfyClient:
    """One client id with its websocket open; `run` queues a prompt and follows it to its end."""

    def __init__(self, url: str):
        self.url = url
        self.client_id = uuid.uuid4().hex
        self.socket = websocket.create_connection(
            f"{url.replace('http', 'ws', 1)}/ws?clientId={self.client_id}", timeout=600, http_no_proxy=["*"]
        )

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> ComfyClient:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def request(self, path: str, body: dict | bytes | None = None, *, content_type="application/json", method=None):
        """The answer to GET (no body) or POST, parsed when it is JSON. ComfyError with the server's words on a 4xx."""
        data = json.dumps(body).encode() if isinstance(body, dict) else body
        request = urllib.request.Request(f"{self.url}{path}", data, {"Content-Type": content_type}, method=method)
        try:
            with _opener.open(request, timeout=600) as response:
                payload = response.read()
                is_json = response.headers.get_content_type() == "application/json"
        except urllib.error.HTTPError as error:
            raise ComfyError(_refusal(error.read().decode(errors="replace"))) from None
        return json.loads(payload) if is_json and payload else payload

    def object_info(self) -> dict:
        return self.request("/object_info")

    def upload(self, file: Path, *, name: str | None = None) -> str:
        """Puts a picture or a video into ComfyUI's input folder; the name that LoadImage and LoadVideo know it by."""
        boundary = uuid.uuid4().hex
        parts = [
            f'--{boundary}\r\nContent-Disposition: form-data; name="overwrite"\r\n\r\ntrue\r\n'.encode(),
            f'--{boundary}\r\nContent-Disposition: form-data; name="image"; filename="{name or file.name}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n".encode(),
            file.read_bytes(),
            f"\r\n--{boundary}--\r\n".encode(),
        ]
        content_type = f"multipart/form-data; boundary={boundary}"
        return self.request("/upload/image", b"".join(parts), content_type=content_type)["name"]

    def interrupt(self) -> None:
        self.request("/interrupt", {})

    def free(self) -> None:
        """Unloads the models and empties the cache, when the queue is next idle."""
        self.request("/free", {"unload_models": True, "free_memory": True})

    def queue(self, prompt: dict, *, workflow: dict | None = None) -> str:
        """The prompt's id. ComfyError with every node error if ComfyUI's validation refuses it."""
        body = {"prompt": prompt, "client_id": self.client_id}
        if workflow is not None:
            body["extra_data"] = {"extra_pnginfo": {"workflow": workflow}}
        return self.request("/prompt", body)["prompt_id"]

    def follow(self, prompt_id: str, on_event: Callable[[str, dict], None] | None = None) -> Result:
        """Reads the websocket until the prompt ends. `on_event(type, data)` sees each message and may raise."""
        result = Result(prompt_id)
        running, since = None, time.monotonic()
        while True:
            message = self.socket.recv()
            if isinstance(message, bytes):
                result.previews.append(message[8:])  # after 4 bytes of event type and 4 of image format
                continue
            event = json.loads(message)
            kind, data = event["type"], event.get("data") or {}
            if data.get("prompt_id") != prompt_id:
                continue
            if kind == "executing":
                now = time.monotonic()
                if running is not None:
                    result.seconds[running] = result.seconds.get(running, 0.0) + now - since
                running, since = data["node"], now
                if running is not None:
                    result.executed.append(running)
            elif kind == "execution_cached":
                result.cached = data["nodes"]
            elif kind == "progress":
                result.steps[data["node"]] = (data["value"], data["max"])
            elif kind == "executed":
                result.outputs[data["node"]] = data["output"] or {}
            elif kind == "execution_interrupted":
                result.interrupted = True
            elif kind == "execution_error":
                result.error = data
            if on_event is not None:
                on_event(kind, data)
            if kind == "executing" and running is None:  # sent once the prompt is done, whatever came of it
                return result

    def run(self, prompt: dict, *, workflow: dict | None = None, on_event=None) -> Result:
        """Queues, follows, and raises ComfyError with the node's traceback and, last, its error if one failed."""
        result = self.follow(self.queue(prompt, workflow=workflow), on_event)
        if result.error is not None:
            error = result.error
            raise ComfyError(
                f"{''.join(error['traceback'])}\n{error['node_type']} (node {error['node_id']}): "
                f"{error['exception_type']}: {error['exception_message'].strip()}"
            )
        return result


def _refusal(text: str) -> str:
    """ComfyUI's answer to a prompt that it refuses, one line an error."""
    try:
        response = json.loads(text)
        lines = [f"{response['error']['message']} {response['error']['details']}".strip()]
    except (ValueError, KeyError, TypeError):
        return text
    for node, problem in (response.get("node_errors") or {}).items():
        where = f"{problem['class_type']} (node {node})"
        lines += [f"{where}: {error['message']}: {error['details']}" for error in problem["errors"]]
    return "\n".join(lines)
