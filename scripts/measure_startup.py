"""Prints the seconds that the pack adds to ComfyUI's start: `python scripts/measure_startup.py [REPEATS]`.

Two figures, each the median of the repeats: what ComfyUI's own log says about the pack's import, and the difference
between starts with and without the pack (`--disable-all-custom-nodes`), until the server answers.
"""

from __future__ import annotations

import os
import re
import statistics
import sys
import tempfile
from pathlib import Path

SCRIPTS = Path(__file__).absolute().parent
ENTER_SETUP = 'source "$0" && exec "$DRIFTFIELD_PYTHON" "$@"'


def main(repeats: int) -> None:
    from comfy_client import ComfyServer  # of the set-up's Python, which may be another one than this

    logged, with_pack, without_pack = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        base, log = Path(folder), Path(folder) / "server.log"
        for number in range(repeats + 1):
            with ComfyServer(base, log=log) as server:
                seconds_with = server.seconds_to_start
                imported = re.search(
                    r"([\d.]+) seconds( \(IMPORT FAILED\))?: \S*custom_nodes/driftfield", server.log_text()
                )
            if imported is None or imported[2]:
                sys.exit(f"the pack did not load:\n{log.read_text(encoding='utf-8')[-4000:]}")
            with ComfyServer(base, log=log, arguments=("--disable-all-custom-nodes",)) as server:
                seconds_without = server.seconds_to_start
            if number == 0:
                continue  # files come from the disk, and the database is made
            logged.append(float(imported[1]))
            with_pack.append(seconds_with)
            without_pack.append(seconds_without)
            print(f"start {number}: {seconds_with:.1f} s with, {seconds_without:.1f} s without", file=sys.stderr)
    difference = statistics.median(with_pack) - statistics.median(without_pack)
    print(f"import of the pack, as ComfyUI logs it: {statistics.median(logged):.1f} s")
    print(f"ComfyUI's start with the pack: {statistics.median(with_pack):.1f} s, {difference:+.1f} s by the pack")


if __name__ == "__main__":
    if "DRIFTFIELD_PYTHON" not in os.environ:
        os.execvp("bash", ["bash", "-c", ENTER_SETUP, str(SCRIPTS / "setup.sh"), __file__, *sys.argv[1:]])
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
