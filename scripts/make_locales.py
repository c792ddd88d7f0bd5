"""locales/en/nodeDefs.json, what the nodes say of themselves, from a running ComfyUI: python scripts/make_locales.py"""

import json
import os
import sys
import tempfile
from pathlib import Path

from comfy_client import PACK_ROOT, ComfyClient, ComfyServer

ENGLISH = PACK_ROOT / "locales" / "en" / "nodeDefs.json"


def english(object_info: dict) -> dict:
    """Names and tooltips of the pack's nodes, as ComfyUI's front end looks translations up; outputs by their number."""
    found = {}
    for kind, info in object_info.items():
        if not kind.startswith("Driftfield"):
            continue
        inputs = {
            name: given for group in ("required", "optional") for name, given in info["input"].get(group, {}).items()
        }
        tips = info.get("output_tooltips") or [None] * len(info["output_name"])
        found[kind] = {
            "display_name": info["display_name"],
            "description": info["description"],
            "inputs": {
                name: text(options[0].get("display_name") or name, options[0].get("tooltip"))
                for name, (_, *options) in inputs.items()
            },
            "outputs": {
                str(i): text(name, tip) for i, (name, tip) in enumerate(zip(info["output_name"], tips, strict=True))
            },
        }
    return found


def text(name: str, tooltip: str | None) -> dict:
    return {"name": name} | ({"tooltip": tooltip} if tooltip else {})


def main() -> int:
    if "COMFYUI_DIR" not in os.environ:
        print("COMFYUI_DIR: not set, needs the folder of a ComfyUI", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        with ComfyServer(Path(folder), log=Path(folder) / "log") as server, ComfyClient(server.url) as client:
            found = english(client.object_info())
    ENGLISH.parent.mkdir(parents=True, exist_ok=True)
    ENGLISH.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
