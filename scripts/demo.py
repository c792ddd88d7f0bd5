"""The demo: ComfyUI with this pack, one picture, arrows on it, a long animation. `bash scripts/demo.sh` runs it."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import time
import webbrowser
from pathlib import Path

from api_form import set_widget, to_api_form
from comfy_client import PACK_ROOT, ComfyClient, ComfyError, ComfyServer, workflow_media

NAME = "arrows_to_long_animation"
WORKFLOW = PACK_ROOT / "workflows" / f"{NAME}.json"


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/demo.sh", description=__doc__)
    parser.add_argument(
        "--image", type=Path, metavar="FILE", help="the still picture (default: the repository's photo)"
    )
    parser.add_argument("--arrows", metavar="JSON|FILE", help="the arrows, as the Draw Motion Arrows node takes them")
    parser.add_argument("--frames", type=int, metavar="N", help="how many frames (default: 125)")
    parser.add_argument("--seed", type=int, metavar="N", help="another seed is another animation")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="where the .mp4 goes (default: ComfyUI's output folder)"
    )
    parser.add_argument("--serve", action="store_true", help="leave ComfyUI open, with the workflow, until Ctrl-C")
    arguments = parser.parse_args()
    if arguments.image is not None and not arguments.image.is_file():
        parser.error(f"--image {arguments.image}: no such file")
    if arguments.arrows is not None and not arguments.arrows.lstrip().startswith(("{", "[")):
        if not Path(arguments.arrows).is_file():
            parser.error(f"--arrows {arguments.arrows}: neither JSON nor a file")
        arguments.arrows = Path(arguments.arrows).read_text(encoding="utf-8")
    return arguments


class Progress:
    """Prints what runs: on a terminal one line that changes, elsewhere a line a node and every ten seconds."""

    def __init__(self, prompt: dict):
        self.titles = {node_id: node["_meta"]["title"] for node_id, node in prompt.items()}
        self.started = time.monotonic()
        self.last_line = 0.0

    def __call__(self, kind: str, data: dict) -> None:
        elapsed = time.monotonic() - self.started
        if kind == "executing" and data["node"] is not None:
            self._show(f"[{elapsed:5.0f} s] {self.titles[data['node']]}", ends=not sys.stderr.isatty())
        elif kind == "progress":
            line = f"[{elapsed:5.0f} s] {self.titles[data['node']]}: step {data['value']:.0f} of {data['max']:.0f}"
            if sys.stderr.isatty():
                self._show(line, ends=False)
            elif elapsed - self.last_line >= 10:
                self.last_line = elapsed
                self._show(line, ends=True)

    def _show(self, line: str, *, ends: bool) -> None:
        print(line if ends else f"\r{line}\033[K", end="\n" if ends else "", file=sys.stderr, flush=True)


def queue_and_save(client: ComfyClient, server: ComfyServer, arguments: argparse.Namespace) -> Path:
    for file in workflow_media():
        client.upload(file)
    changes = {
        ("LoadImage", "image"): arguments.image and client.upload(arguments.image),
        ("DriftfieldDrawMotionArrows", "arrows"): arguments.arrows,
        ("DriftfieldExtendAnimation", "total_frames"): arguments.frames,
        ("DriftfieldAnimateImage", "seed"): arguments.seed,
        ("DriftfieldExtendAnimation", "seed"): arguments.seed,
    }
    workflow, object_info = json.loads(WORKFLOW.read_text(encoding="utf-8")), client.object_info()
    for (node_type, name), value in changes.items():
        if value is not None:
            set_widget(workflow, object_info, node_type, name, value)
    prompt = to_api_form(workflow, object_info)
    (server.base / "user" / "default" / "workflows" / "driftfield_demo.json").write_text(
        json.dumps(workflow), encoding="utf-8"
    )

    progress = Progress(prompt)
    result = client.run(prompt, workflow=workflow, on_event=progress)
    total = time.monotonic() - progress.started
    print(f"\r\033[K{total:.1f} s" if sys.stderr.isatty() else f"{total:.1f} s", "in all, of which", file=sys.stderr)
    for node_id, seconds in sorted(result.seconds.items(), key=lambda item: -item[1]):
        if seconds >= 0.05:
            print(f"  {seconds:6.1f} s  {progress.titles[node_id]}", file=sys.stderr)
    print(f"most memory that the server used: {server.rss_mb(peak=True) / 1024:.2f} GB", file=sys.stderr)

    videos = [server.file(entry) for entry in result.files() if entry["filename"].endswith(".mp4")]
    if not videos:
        raise ComfyError(f"the workflow saved no .mp4; its outputs: {result.outputs}")
    saved = videos[-1]
    if arguments.out is None:
        return saved
    arguments.out.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copy(saved, arguments.out)).absolute()


def leave_open(server: ComfyServer, video: Path) -> None:
    url = f"{server.url}/?template={NAME}&source=driftfield"
    print(f"{video}\nComfyUI stays open at {url}", file=sys.stderr)
    print("  (this run's own values: workflow driftfield_demo in its Workflows panel); Ctrl-C ends it", file=sys.stderr)
    if os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        webbrowser.open(url)
    server.process.wait()


def main() -> int:
    arguments = parse_arguments()
    for stop in (signal.SIGTERM, signal.SIGHUP):  # as Ctrl-C, so that no server is left behind
        signal.signal(stop, signal.default_int_handler)
    base = Path(os.environ["DRIFTFIELD_BASE"])
    log = base / "demo.log"
    try:
        print("starting ComfyUI", file=sys.stderr)
        with ComfyServer(base, log=log) as server:
            print(f"ComfyUI answers after {server.seconds_to_start:.1f} s; its log is in {log}", file=sys.stderr)
            with ComfyClient(server.url) as client:
                try:
                    video = queue_and_save(client, server, arguments)
                except KeyboardInterrupt:
                    client.interrupt()
                    raise
            if arguments.serve:
                leave_open(server, video)
        print(video)
    except KeyboardInterrupt:
        print("\ninterrupted; ComfyUI is stopped", file=sys.stderr)
        return 130
    except (ComfyError, ValueError) as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
