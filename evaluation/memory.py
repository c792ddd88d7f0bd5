"""GPU memory and time of Stable Video Diffusion by number format: `python -m driftfield.evaluation.memory`.

Random weights go through the calls of the nodes: the dual clock with both encodings, guidance on all steps, decoding.
Two tables: with all the memory there is, and with PyTorch held to less, down to where it no longer runs.
"""

import argparse
import copy
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import diffusers
import torch
import torch.nn.functional as F

from . import host
from .speed_models import SIGMAS, SIZES, Models

GIB = 2**30
OUT = Path(__file__).absolute().parents[1] / "docs" / "results" / "memory.md"
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
        models = Models(self.size, device)
        models.unet.register_to_config(sample_size=self.size.side // 8)
        self.modules = [module.cpu() for module in (models.unet, models.vae, models.clip)]
        self.dtype = self.animator = None

    def use(self, dtype: str) -> None:
        from ..model_loaders import animator, memory

        if dtype == self.dtype:
            return
        self.animator = None
        memory.release()
        unet, vae, clip = (copy.deepcopy(module).to(memory.compute_dtype(dtype)) for module in self.modules)
        vae.encoder.float(), vae.quant_conv.float()
        scheduler = {**SIGMAS, "rho": animator.RHO}
        self.animator = animator.put_together(
            unet, vae, clip, scheduler, source=Path("random weights"), name="random weights", dtype=dtype
        )
        self.dtype = dtype

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
        from ..flow_tools.motion import Motion
        from ..model_loaders import memory
        from ..pipeline.animate import animate
        from ..pipeline.decode import decode
        from ..pipeline.motion import encode_motion
        from ..pipeline.plan import plan
        from ..pipeline.settings import Settings

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


def markdown(header: tuple[str, ...], rows: list[Row]) -> str:
    header += (*(f"{stage}, GiB" for stage in STAGES), "encoding, s", "a step, s", "decoding, s")
    lines = [header, ("---",) * len(header)]
    for row in rows:
        if row.peaks is None:
            lines.append((*row.what, "does not run", *[""] * 5))
        else:
            peaks = ["–" if peak != peak else f"{peak:.1f}" for peak in row.peaks]
            lines.append((*row.what, *peaks, f"{row.encoding:.2f}", f"{row.step:.3f}", f"{row.decoding:.2f}"))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def report(bench: Bench, free: list[Row], limited: list[Row], seconds: float) -> str:
    name = torch.cuda.get_device_name() if bench.device.type == "cuda" else "a CPU"
    frames, height, width = CLIPS[bench.name][-1]
    text = f"""# Memory and time by number format

Printed by `python -m driftfield.evaluation.memory` in {seconds:.0f} s on {name}, torch {torch.__version__}: random
weights of the {bench.name} size. Guidance runs on every step (both halves side by side where the memory has room), the
dual clock encodes the warped still as well. Peaks are what PyTorch has allocated, weights included; the driver's own
share, about half a GiB, comes on top. Whole clips of n steps take encoding + n · step + decoding.

## With all the memory of the device

{markdown(("format", "frames", "height", "width"), free)}
"""
    if limited:
        text += f"""
## {frames} frames of {height} × {width} with PyTorch held to less

A card of 8, 12, 16, 24 GB leaves PyTorch about 7, 11, 15, 23 GiB.

{markdown(("format", "memory"), limited)}
"""
    return text


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, default="full")
    parser.add_argument("--out", type=Path, default=OUT, help=f"a Markdown file for the tables (default: {OUT.name})")
    parser.add_argument("--seconds", type=float, default=140, help="no further line is started after so long")
    options = parser.parse_args(arguments)
    try:
        host.enter()
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 2
    diffusers.utils.logging.set_verbosity_error()  # it warns of every change of format
    start = time.monotonic()

    def in_time() -> bool:
        return time.monotonic() - start < options.seconds

    bench = Bench(options.size, torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    limited = list(shown(by_limit(bench, in_time))) if bench.device.type == "cuda" else []
    free = list(shown(by_format(bench, in_time)))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(report(bench, free, limited, time.monotonic() - start), encoding="utf-8")
    print(f"{options.out}" + ("" if in_time() else f": no line was started after {options.seconds:g} s"))
    return 0


def shown(rows: Iterator[Row]) -> Iterator[Row]:
    for row in rows:
        print(row, flush=True)
        yield row


if __name__ == "__main__":
    sys.exit(main())
