"""GPU memory and time of Stable Video Diffusion by number format.

Random weights go through the calls of the nodes: the dual clock with both encodings, guidance on all steps, decoding.
Two tables: with all the memory there is, and with PyTorch held to less, down to where it no longer runs.
"""

import math
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import diffusers
import torch
import torch.nn.functional as F

from ...flow_tools.motion import Motion
from ...model_loaders import memory
from ...pipeline.animate import animate
from ...pipeline.decode import decode
from ...pipeline.motion import encode_motion
from ...pipeline.plan import plan
from ...pipeline.settings import Settings
from ..options import add_out
from ..output import markdown
from ..output.publish import command_of, device_name, write_page
from .models import SIZES, Models, as_animator

GIB = 2**30
STEPS = 2  # the second is timed: the first compiles
DTYPES = ("fp16", "fp8", "bf16", "fp32")
LIMITS_GIB = {"fp16": (23, 15, 11, 7, 6, 5, 4, 3), "fp8": (7, 6, 5, 4, 3, 2)}  # cards of 24, 16, 12, 8 GB less 1
CLIPS = {
    "full": ((14, 512, 512), (25, 512, 512), (14, 576, 1024), (25, 576, 1024)),
    "toy": ((3, 64, 64), (5, 64, 128)),
}
STAGES = ("encoding", "sampling", "decoding")


@dataclass(frozen=True)
class Row:
    """One clip. Peaks are what PyTorch had allocated, GiB, weights included; seconds of a step with guidance."""

    what: tuple[str, ...]
    peaks: tuple[float, ...] | None = None  # by stage; None: it did not run
    step: float = 0.0
    encoding: float = 0.0
    decoding: float = 0.0


class Bench:
    """Animators of one set of random weights, one at a time."""

    def __init__(self, size: str, device: torch.device):
        self.device, self.name, self.size = device, size, SIZES[size]
        self.models = Models(self.size, device)
        for module in (self.models.unet, self.models.vae, self.models.clip):
            module.cpu()
        self.dtype = self.animator = None

    def use(self, dtype: str) -> None:
        if dtype == self.dtype:
            return
        self.animator = None
        memory.release()
        self.animator, self.dtype = as_animator(self.models, dtype), dtype

    def clock(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    def peak(self) -> float:
        """GiB since the last call."""
        if self.device.type != "cuda":
            return float("nan")
        bytes_ = torch.cuda.max_memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        return bytes_ / GIB

    def measure(self, dtype: str, frames: int, height: int, width: int) -> Row:
        """The clip from picture to frames. Raises torch.OutOfMemoryError where it does not fit."""
        self.use(dtype)
        memory.release()
        self.peak()
        colors = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
        image = F.interpolate(colors, size=(height, width), mode="bilinear")
        flow = torch.zeros(1, 2, height, width)
        flow[:, 0, :, width // 2 :] = 1
        settings = Settings(steps=STEPS, cfg_max=3.0, frames=frames)
        marks, peaks = [], []
        start = self.clock()
        planned = plan(self.animator, image, encode_motion(self.animator, Motion(flow)), settings)
        encoded = self.clock()
        peaks.append(self.peak())
        animation = animate(self.animator, planned, on_step=lambda *_: marks.append(self.clock()))
        sampled = self.clock()
        peaks.append(self.peak())
        decode(self.animator, animation.latents, segment_frames=frames)
        decoded = self.clock()
        peaks.append(self.peak())
        return Row((), tuple(peaks), marks[-1] - marks[-2], encoded - start, decoded - sampled)


@contextmanager
def limited_to(gib: float) -> Iterator[None]:
    """PyTorch gets `gib`, and ComfyUI, which asks the driver how much is free, hears the same."""
    total, ask = torch.cuda.get_device_properties(0).total_memory, torch.cuda.mem_get_info
    limit = int(gib * GIB)
    torch.cuda.set_per_process_memory_fraction(limit / total)
    torch.cuda.mem_get_info = lambda device=None: (max(0, limit - torch.cuda.memory_reserved(device)), limit)
    try:
        yield
    finally:
        torch.cuda.mem_get_info = ask
        torch.cuda.set_per_process_memory_fraction(1.0)


def by_format(bench: Bench, in_time: Callable[[], bool]) -> Iterator[Row]:
    for dtype in DTYPES:
        for clip in CLIPS[bench.name]:
            if in_time():
                yield replace(bench.measure(dtype, *clip), what=(dtype, *map(str, clip)))


def by_limit(bench: Bench, in_time: Callable[[], bool]) -> Iterator[Row]:
    """The largest clip with less and less memory, until it no longer runs."""
    for dtype, limits in LIMITS_GIB.items():
        for gib in limits:
            if not in_time():
                break
            what = (dtype, f"{gib} GiB")
            with limited_to(gib):
                row = attempt(bench, dtype)
            yield replace(row, what=what)
            if row.peaks is None:
                break


def attempt(bench: Bench, dtype: str) -> Row:
    try:
        return bench.measure(dtype, *CLIPS[bench.name][-1])
    except torch.OutOfMemoryError:
        return Row(())


def table_of(header: tuple[str, ...], rows: list[Row]) -> str:
    header += (*(f"{stage}, GiB" for stage in STAGES), "encoding, s", "a step, s", "decoding, s")
    lines = []
    for row in rows:
        if row.peaks is None:
            lines.append((*row.what, "does not run", *[""] * 5))
        else:
            peaks = [peak if math.isnan(peak) else f"{peak:.1f}" for peak in row.peaks]
            lines.append((*row.what, *peaks, f"{row.encoding:.2f}", f"{row.step:.3f}", f"{row.decoding:.2f}"))
    return markdown.table(header, lines)


def report(bench: Bench, free: list[Row], limited: list[Row], seconds: float, command: str) -> str:
    frames, height, width = CLIPS[bench.name][-1]
    text = f"""# Memory and time by number format

Printed by `{command}` in {seconds:.0f} s on {device_name()}, torch {torch.__version__}: random
weights of the {bench.name} size. Guidance runs on every step (both halves side by side where the memory has room), the
dual clock encodes the warped still as well. Peaks are what PyTorch has allocated, weights included; the driver's own
share, about half a GiB, comes on top. Whole clips of n steps take encoding + n · step + decoding.

## With all the memory of the device

{table_of(("format", "frames", "height", "width"), free)}
"""
    if limited:
        text += f"""
## {frames} frames of {height} × {width} with PyTorch held to less

A card of 8, 12, 16, 24 GB leaves PyTorch about 7, 11, 15, 23 GiB.

{table_of(("format", "memory"), limited)}
"""
    return text.rstrip()


def add_arguments(parser: ArgumentParser) -> None:
    parser.description = __doc__
    parser.add_argument("--size", choices=SIZES, default="full")
    add_out(parser)
    parser.add_argument("--seconds", type=float, default=140, help="no further line is started after so long")


def run(arguments: Namespace) -> None:
    diffusers.utils.logging.set_verbosity_error()  # it warns of every change of format
    start = time.monotonic()

    def in_time() -> bool:
        return time.monotonic() - start < arguments.seconds

    bench = Bench(arguments.size, memory.device())
    limited = list(shown(by_limit(bench, in_time))) if bench.device.type == "cuda" else []
    free = list(shown(by_format(bench, in_time)))
    if not in_time():
        print(f"no line was started after {arguments.seconds:g} s")
    write_page(arguments, "memory", report(bench, free, limited, time.monotonic() - start, command_of(arguments)))


def shown(rows: Iterator[Row]) -> Iterator[Row]:
    for row in rows:
        print(row, flush=True)
        yield row
