"""How long a video of several segments takes, three ways.

1. diffusers' StableVideoDiffusionPipeline, five runs in a chain, each from the last frame of the one before;
2. the phased method with shared noise as a plain loop over diffusers' modules;
3. ours, one optimization on top of the other, and at last the nodes' own path, each held to the latents and frames
   of a plain loop.
Random weights; reading and encoding the still and decoding the frames into main memory are part of the time.
"""

import copy
import functools
import math
import time
import traceback
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ...model_loaders import memory
from ..options import add_out
from ..output import markdown
from ..output.publish import command_of, device_name, write_page
from .bench import CFG, GAMMA, Bench, Run, Way
from .compiled import compiled_pipeline
from .models import SIZES, Models, Size, count_flops
from .parts import measure_parts

PEAK_TFLOPS = 989  # dense bf16 of an H200, by its data sheet
NODES = "the nodes: Animate Image, Extend Animation, Decode Animation"
HEADER = ("", "seconds", "warm-up", "× chain", "× plain", "passes", "GiB", "MFU %", "Δ latents", "Δ frames")


def ladder() -> list[Way]:
    """Each way is the former and one thing more."""
    ways = [Way("phased, plain loop over diffusers", plain=True)]
    for name, change in (
        ("+ segments of phase 2 in one batch", {"plain": False, "batched": True}),
        ("+ guidance in one batch", {"one_pass": True}),
        ("+ cross-attention computed once", {"unet": "token"}),
        ("+ UNet channels-last and fused", {"unet": "fast"}),
        ("+ decoder channels-last and fused", {"decoder": "fast"}),
        ("+ frames copied behind the decoder", {"behind": True}),
    ):
        ways.append(replace(ways[-1], name=name, **change))
    return ways


@dataclass(frozen=True)
class Flops:
    """Of diffusers' modules."""

    unet: float  # a pass over one segment
    decoding: float  # of one segment


@dataclass(frozen=True)
class Measured:
    size: Size
    flops: Flops
    names: list[str]  # of the runs, in the table's order: the chain, each way, the nodes
    runs: dict[str, Run]  # by name; what was left out is not there
    nodes_plain: tuple[Tensor, Tensor] | None  # latents and frames of a plain loop over what the nodes begin with
    errors: dict[str, float]  # relative distance from float32


def distance(a: Tensor, b: Tensor) -> float:
    return ((a.float() - b.float()).norm() / b.float().norm()).item()


@torch.no_grad()
def rounding(bench: Bench, way: Way) -> dict[str, float]:
    """Relative distance from a float32 network, of diffusers' and of this way's: one UNet pass, one decoded chunk."""
    models, conditioning = bench.models, bench.models.condition(bench.models.still)
    noise = torch.randn(conditioning.reference.shape, generator=torch.Generator().manual_seed(5)).to(models.device)
    sample = torch.cat([noise.to(models.dtype), conditioning.reference], dim=1)[None]
    time = torch.tensor([0.3], device=models.device)
    inputs = sample, time, conditioning.image_embedding, conditioning.added_time_ids
    latents = noise[: models.size.chunk_frames].to(models.dtype)
    flags = torch.zeros(1, len(latents), device=models.device)
    tf32 = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        exact = copy.deepcopy(bench.part("unet", "plain")).float()(*(x.float() for x in inputs))
        picture = copy.deepcopy(bench.part("decoder", "plain")).float()(latents.float(), flags, len(latents))
    finally:
        torch.backends.cudnn.allow_tf32 = tf32
    figures = {}
    for name, unet, decoder in (("diffusers", "plain", "plain"), ("ours", way.unet, way.decoder)):
        figures[f"UNet, {name}"] = distance(bench.part("unet", unet)(*inputs), exact)
        figures[f"decoder, {name}"] = distance(bench.part("decoder", decoder)(latents, flags, len(latents)), picture)
    return figures


def attempt(what: str, run: Callable):
    """run(), or None with the error printed: one failure, or Ctrl+C, must not cost the other figures."""
    try:
        return run()
    except (Exception, KeyboardInterrupt) as error:
        traceback.print_exc()
        print(f"FAILED  {what}: {type(error).__name__}: {error}", flush=True)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        return None


def measure(
    size: Size, device: torch.device, *, seconds: float, parts: bool = False, compiled: Sequence[str] = ()
) -> Measured:
    """What does not fit into `seconds` is left out, and says so."""
    start = time.perf_counter()

    def say(text: str) -> None:
        print(f"[{time.perf_counter() - start:6.1f} s] {text}", flush=True)

    bench = Bench(Models(size, device))
    say("models built")
    conditioning = bench.models.condition(bench.models.still)
    flops = Flops(*(attempt("FLOPs", lambda: count_flops(bench.models, conditioning)) or (float("nan"), float("nan"))))
    say(f"UNet {flops.unet / 1e12:.2f} TFLOP a pass, decoding a segment {flops.decoding / 1e12:.2f} TFLOP")
    ways, video = ladder(), {"segments": size.segments, "steps": size.steps}
    least = {"segments": 1, "steps": 1}
    thorough = {"segments": size.segments, "steps": 5}  # the fewest with a second phase
    runs: dict[str, Run] = {}

    def go(name: str, run: Callable, warm_up: dict[str, int]) -> None:
        if time.perf_counter() - start > seconds:
            say(f"left out for lack of time: {name}")
            return

        done = attempt(name, lambda: bench.measure(lambda: run(**warm_up), lambda: run(**video)))
        if done is not None:
            runs[name] = done
            stages = ", ".join(f"{key} {value:.2f}" for key, value in done.stages.items())
            times = f"{done.seconds:.2f} s ({stages}) after {done.warm_up:.1f} s"
            say(f"{name}: {times}, {done.passes} passes, {done.memory:.1f} GiB")

    def phase(way: Way) -> None:
        go(way.name, lambda **video: bench.phased(way, **video), least if way.unet in ("plain", "token") else thorough)

    phase(ways[0])
    phase(ways[-1])
    go(NODES, bench.through_the_nodes, thorough)
    nodes_plain = None
    if NODES in runs:
        begun = functools.partial(bench.phased, ways[0], start_of=bench.planned_start)
        nodes_plain = attempt("the nodes' plain loop", lambda: begun(**video))
    memory.release()  # the nodes' copies of the networks
    if parts:
        attempt("parts", lambda: measure_parts(bench))
    chain = f"chain of {size.segments} diffusers pipelines"
    go(chain, functools.partial(bench.chained, bench.models.pipeline), least)
    names = [chain, *(way.name for way in ways), NODES]
    if "pipeline" in compiled:
        names.insert(1, f"{chain}, compiled")
        go(names[1], functools.partial(bench.chained, compiled_pipeline(bench.models.pipeline)), least)
    for way in ways[1:-1]:
        phase(way)
    if "network" in compiled:  # last: it compiles longest
        way = replace(ways[-1], name="torch.compile instead of our kernels", unet="compiled", decoder="compiled")
        names.insert(-1, way.name)
        phase(way)
    errors = attempt("rounding", lambda: rounding(bench, ways[-1])) or {}
    say("done")
    return Measured(size, flops, names, runs, nodes_plain and nodes_plain[:2], errors)


def rows_of(measured: Measured) -> list[list]:
    """Of HEADER; NaN where a run was left out, or has nothing to be compared with."""
    nan, runs = float("nan"), measured.runs
    chain, plain_loop = measured.names[0], ladder()[0].name
    first, plain = runs.get(chain), runs.get(plain_loop)
    nodes_plain = measured.nodes_plain
    rows = []
    for name in measured.names:
        run = runs.get(name)
        if run is None:
            rows.append([name, *[nan] * (len(HEADER) - 1)])
            continue
        exact = nodes_plain if name == NODES else plain and (plain.latents, plain.frames)
        same = run.latents is not None and exact is not None
        flops = run.passes * measured.flops.unet + measured.size.segments * measured.flops.decoding
        rows.append(
            [
                name,
                f"{run.seconds:.2f}",
                f"{run.warm_up:.1f}",
                f"{first.seconds / run.seconds:.2f}" if first else nan,
                f"{plain.seconds / run.seconds:.2f}" if plain else nan,
                run.passes,
                nan if math.isnan(run.memory) else f"{run.memory:.2f}",
                f"{100 * flops / run.seconds / PEAK_TFLOPS / 1e12:.1f}",
                f"{distance(run.latents, exact[0]):.1e}" if same else nan,
                f"{distance(run.frames, exact[1]):.1e}" if same else nan,
            ]
        )
    return rows


def notes_of(measured: Measured, dtype: str) -> list[str]:
    runs, notes = measured.runs, []
    nodes, chain = runs.get(NODES), runs.get(measured.names[0])
    if nodes:
        stages = ", ".join(f"{key} {value:.2f}" for key, value in nodes.stages.items())
        notes.append(f"The nodes in seconds: {stages}.")
    if nodes and chain:
        frames = measured.size.segments * measured.size.frames
        notes.append(
            f"{frames} frames take the nodes {nodes.seconds:.1f} s, diffusers' chain {chain.seconds:.1f} s: "
            f"{chain.seconds / nodes.seconds:.1f} times as long."
        )
    if measured.errors:
        errors = ", ".join(f"{name} {error:.1e}" for name, error in measured.errors.items())
        notes.append(f"Relative distance of one pass from float32: {errors}.")
    if nodes and measured.nodes_plain and measured.errors:
        apart = distance(nodes.latents, measured.nodes_plain[0])
        notes.append(
            f"The nodes' latents lie {apart:.1e} from the plain loop's: both are computed in {dtype}, "
            f"{measured.size.steps} steps one after the other, and already one pass lies as far from float32 as said."
        )
    flops = measured.flops
    notes.append(f"One UNet pass {flops.unet / 1e12:.2f} TFLOP, decoding a segment {flops.decoding / 1e12:.2f} TFLOP.")
    return notes


def page(measured: Measured, command: str) -> str:
    size, dtype = measured.size, "bf16" if torch.cuda.is_available() else "fp32"
    about = (
        f"{size.segments} segments of {size.frames} frames of {size.side}², {size.steps} steps, guidance {CFG[0]:g} to "
        f"{CFG[1]:g} on every step, γ = {GAMMA}, random weights, {dtype}; encoding the still and decoding are part of "
        "the time, the warm-up before it, in which kernels are chosen and built, is not. A pass is the UNet on one "
        "segment without guidance. × is how many times faster. MFU is the FLOPs of diffusers' modules over the time "
        f"and {PEAK_TFLOPS} TFLOP/s. Δ is the relative distance from the plain loop."
    )
    made = f"`{command}`, {device_name()}, torch {torch.__version__}."
    table = markdown.table(HEADER, rows_of(measured), numbers=True)
    return "\n\n".join(["# Speed", made, about, table, *notes_of(measured, dtype)])


def add_arguments(parser: ArgumentParser) -> None:
    parser.description = __doc__
    parser.add_argument("--size", choices=SIZES, default="full")
    add_out(parser)
    parser.add_argument("--seconds", type=float, default=150, help="no further line is started after so long")
    choices = {"choices": ("pipeline", "network"), "nargs": "+", "default": []}
    parser.add_argument("--compiled", **choices, help="also diffusers' or our own by torch.compile; minutes each")
    parser.add_argument("--parts", action="store_true", help="also measure the parts of a pass, and alternatives")


def run(arguments: Namespace) -> None:
    measured = measure(
        SIZES[arguments.size],
        memory.device(),
        seconds=arguments.seconds,
        parts=arguments.parts,
        compiled=arguments.compiled,
    )
    write_page(arguments, "speed", page(measured, command_of(arguments)))
