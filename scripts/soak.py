"""Many prompts one after another in a real ComfyUI, every tenth cancelled: python scripts/soak.py [--prompts 100]

Each samples the built-in model on a small picture, with a seed of its own so that nothing is cached. A prompt is lost
where it neither finishes nor, cancelled while it samples, ends there as interrupted. Exit status 1 where one is lost,
or where the server's memory grows by 150 MB or more from the tenth prompt to the last. Needs COMFYUI_DIR.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from comfy_client import PACK_ROOT, ComfyClient, ComfyError, ComfyServer

EVERY = 10  # the last of each so many is cancelled
WARM = 10  # prompts until everything that stays is loaded
GROWTH_MB = 150
MB_IN_MIB = 2**20 / 10**6
STEPS = 2
CANCELLED_STEPS = 60  # enough that the sampling still goes on when Cancel arrives
STILL = PACK_ROOT / "workflows" / "example_input.jpg"
ARROWS = '{"version":1,"arrows":[{"points":[[0.3,0.5],[0.6,0.5]]}]}'


def graph(still: str, seed: int, steps: int) -> dict:
    """Still and an arrow to a few decoded frames of 64 × 64."""
    nodes = {
        "still": ("LoadImage", {"image": still}),
        "small": (
            "ImageScale",
            {"image": ["still", 0], "upscale_method": "area", "width": 64, "height": 64, "crop": "center"},
        ),
        "draw": ("DriftfieldDrawMotionArrows", {"image": ["small", 0], "arrows": ARROWS}),
        "sparse": (
            "DriftfieldArrowsToSparseFlow",
            {"motion_arrows": ["draw", 0], "width": 0, "height": 0, "frames": 5},
        ),
        "dense": (
            "DriftfieldDensifyFlow",
            {"sparse_flow": ["sparse", 0], "hints": ["sparse", 1], "sigma": 0, "threshold": 0.05, "mode": "followed"},
        ),
        "load": ("DriftfieldLoadAnimationModel", {"model": "built-in", "adapter": "auto", "dtype": "auto"}),
        "encode": (
            "DriftfieldEncodeMotion",
            {"animator": ["load", 0], "flow": ["dense", 0], "guidance_strength": 1.0},
        ),
        "animate": (
            "DriftfieldAnimateImage",
            {
                "animator": ["load", 0],
                "image": ["small", 0],
                "guidance": ["encode", 0],
                "seed": seed,
                "steps": steps,
                "cfg_min": 1.0,
                "cfg_max": 1.0,
                "fps": 0,
                "strength_mode": "auto",
                "motion_strength": 100.0,
                "frames": 5,
                "noise_aug_strength": 0.02,
                "loop": False,
            },
        ),
        "decode": ("DriftfieldDecodeAnimation", {"animation": ["animate", 0], "chunk_frames": 8}),
        "preview": ("PreviewImage", {"images": ["decode", 0]}),
    }
    return {name: {"class_type": kind, "inputs": inputs} for name, (kind, inputs) in nodes.items()}


def run(prompts: int, client: ComfyClient, memory_mb: Callable[[], float]) -> tuple[int, int, int, float]:
    """(finished, interrupted, lost, MB that the memory grew by); says on stderr what was lost, and how."""
    still = client.upload(STILL)
    finished = interrupted = lost = 0
    before = memory_mb()
    for number in range(1, prompts + 1):
        cancelled = number % EVERY == 0
        sent = []

        def cancel(kind: str, data: dict, *, cancelled: bool = cancelled, sent: list = sent) -> None:
            if cancelled and not sent and kind == "progress" and data["node"] == "animate":
                sent.append(data["value"])
                client.interrupt()

        try:
            result = client.run(graph(still, number, CANCELLED_STEPS if cancelled else STEPS), on_event=cancel)
        except ComfyError as error:
            why = str(error)
        else:
            made = result.files("preview")
            if cancelled:
                asked = result.interrupted and result.executed[-1] == "animate"
            else:
                asked = bool(made) and not result.interrupted
            why = "" if asked else f"{result.interrupted=}, {result.executed=}, {made=}"
        if why:
            lost += 1
            print(f"prompt {number}{' (cancelled)' if cancelled else ''}: lost: {why}", file=sys.stderr)
        elif cancelled:
            interrupted += 1
        else:
            finished += 1
        if number <= WARM:
            before = memory_mb()
    return finished, interrupted, lost, memory_mb() - before


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=100, metavar="N", help="how many (default: 100)")
    prompts = parser.parse_args().prompts
    if prompts <= WARM:
        parser.error(f"--prompts: got {prompts}, allowed more than {WARM}")
    if "COMFYUI_DIR" not in os.environ:
        parser.error("COMFYUI_DIR: not set, needs the folder of a ComfyUI")
    with tempfile.TemporaryDirectory() as folder:
        with ComfyServer(Path(folder), log=Path(folder) / "log") as server, ComfyClient(server.url) as client:
            started = time.monotonic()
            finished, interrupted, lost, growth = run(prompts, client, lambda: server.rss_mb() * MB_IN_MIB)
            seconds, now = time.monotonic() - started, server.rss_mb() * MB_IN_MIB
    print(f"{prompts} prompts in {seconds:.0f} s: {finished} finished, {interrupted} interrupted, {lost} lost")
    print(f"memory: {growth:+.0f} MB from prompt {WARM} on, {now:.0f} MB at the end (allowed: below +{GROWTH_MB} MB)")
    return int(lost > 0 or growth >= GROWTH_MB)


if __name__ == "__main__":
    sys.exit(main())
