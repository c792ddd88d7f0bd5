"""Work in a process of its own, and the most memory that a process has held."""

import math
import re
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from .. import host

STATUS = Path("/proc/self/status")


def alone(work: Callable, *arguments) -> Any:
    """work(*arguments) in a fresh process, so that its largest memory is its own."""
    # The initializer comes before the work, whose module wants ComfyUI.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=host.enter) as pool:
        return pool.submit(work, *arguments).result()


def largest_memory() -> float:
    """Bytes that this process has held at once, NaN where the system does not say: only Linux does.

    Not getrusage's figure, which a process inherits from the one that started it.
    """
    found = re.search(r"VmHWM:\s+(\d+) kB", STATUS.read_text(encoding="utf-8") if STATUS.is_file() else "")
    return int(found[1]) * 1024 if found else math.nan
