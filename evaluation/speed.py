"""How long a video of several segments takes, three ways: `python -m driftfield.evaluation.speed [--size full]`.

1. diffusers' StableVideoDiffusionPipeline, five runs in a chain, each from the last frame of the one before;
2. the phased method with shared noise as a plain loop over diffusers' modules;
3. ours, one optimization on top of the other, each held to the latents and frames of 2.
Random weights; reading and encoding the still and decoding the frames into main memory are part of the time.
"""

import argparse
import contextlib
import copy
import functools
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from diffusers import StableVideoDiffusionPipeline
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from ..networks.animator import MotionUNet
from ..networks.fast import accelerate
from ..networks.fast.single_token import SingleTokenAttention
from ..networks.fast.transfer import one_behind
from ..sampling.animate import animate
from ..sampling.denoiser import make_denoiser
from ..sampling.guidance import guidance_scales, guided, guided_in_one_pass
from ..sampling.joins import RESTART, plan_joins
from ..sampling.phased import extend
from ..sampling.schedule import karras_sigmas
from .plain_loop import plain_loop
from .report import table
from .speed_compiled import CompiledNetwork, compiled_pipeline
from .speed_models import SIGMAS, SIZES, Models, Size, count_flops
from .speed_parts import measure_parts

PEAK_TFLOPS = 989  # dense bf16 of an H200, by its data sheet
GAMMA, OMEGA, CFG = 0.8, 0.2, (1.0, 3.0)
ATTENTION = [SDPBackend.CUDNN_ATTENTION, SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]


@dataclass(frozen=True)
class Way:
    """How a phased video is computed: which networks, and what is done side by side."""

    name: str
    plain: bool = False  # a loop of its own, apart from the pack's sampling
    unet: str = "plain"  # plain, token (cached cross-attention), fast, compiled
    decoder: str = "plain"  # plain, fast, compiled
    batched: bool = False  # the segments of the second phase in one batch
    one_pass: bool = False  # both halves of the guidance in one batch
    behind: bool = False  # frames are copied to main memory while the next ones are decoded
    cudnn_attention: bool = False
    benchmark: bool = False  # cuDNN tries its convolutions out


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
        ("+ cuDNN's attention", {"cudnn_attention": True}),
        ("+ cuDNN's convolutions by trial", {"benchmark": True}),
    ):
        ways.append(replace(ways[-1], name=name, **change))
    return ways


@dataclass
class Run:
    seconds: float
    warm_up: float  # seconds that kernels are chosen and built in
    memory: float  # GiB at the peak
    passes: int  # of the UNet, one segment without guidance each
    latents: Tensor | None = None
    frames: Tensor | None = None
    stages: dict[str, float] = field(default_factory=dict)


class Bench:
    def __init__(self, models: Models):
        self.models, self.size, self.device = models, models.size, models.device
        self.parts: dict[tuple[str, str], nn.Module] = {}

    def synchronize(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def measure(self, warm_up: Callable[[], tuple], run: Callable[[], tuple]) -> Run:
        self.synchronize()
        start = time.perf_counter()
        warm_up()
        self.synchronize()
        before = time.perf_counter() - start
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        start = time.perf_counter()
        latents, frames, passes, stages = run()
        self.synchronize()
        seconds = time.perf_counter() - start
        memory = torch.cuda.max_memory_allocated() / 2**30 if self.device.type == "cuda" else float("nan")
        return Run(seconds, before, memory, passes, latents, frames, stages)

    def part(self, name: str, kind: str) -> nn.Module:
        """A UNet or decoder of this kind; those that are changed are copies."""
        if (name, kind) not in self.parts:
            module = MotionUNet(self.models.unet) if name == "unet" else self.models.vae.decoder
            if kind != "plain":
                module = copy.deepcopy(module)
            if kind == "token":
                for attention in (child for key, child in module.named_modules() if key.endswith(".attn2")):
                    attention.set_processor(SingleTokenAttention())
            change = {"fast": accelerate, "compiled": CompiledNetwork}.get(kind)
            self.parts[name, kind] = change(module) if change else module
        return self.parts[name, kind]

    @torch.no_grad()
    def chained(self, pipeline: StableVideoDiffusionPipeline, *, segments: int, steps: int) -> tuple:
        image, videos = self.models.still, []
        for segment in range(segments):
            frames = pipeline(
                image,
                height=self.size.side,
                width=self.size.side,
                num_frames=self.size.frames,
                num_inference_steps=steps,
                min_guidance_scale=CFG[0],
                max_guidance_scale=CFG[1],
                decode_chunk_size=self.size.chunk_frames,
                generator=torch.Generator().manual_seed(segment),
            ).frames[0]
            videos += frames
            image = frames[-1]
        return None, None, 2 * segments * steps, {}

    @torch.no_grad()
    def phased(self, way: Way, *, segments: int, steps: int) -> tuple:
        stages, start = {}, time.perf_counter()

        def stage(name: str) -> None:  # every stage ends with a copy to main memory
            nonlocal start
            now = time.perf_counter()
            stages[name], start = now - start, now

        with settings(way):
            passes = 0

            def count(segments: int) -> None:
                nonlocal passes
                passes += segments

            told = self.models.condition(self.models.still)
            network = self.part("unet", way.unet)
            scale = guidance_scales(*CFG, self.size.frames).to(self.device)
            scaling = self.models.vae.config.scaling_factor
            conditional = make_denoiser(network, told, count=count)
            if way.one_pass:
                denoise = guided_in_one_pass(network, told, scale, count=count)
            else:
                denoise = guided(conditional, make_denoiser(network, told.unconditional(), count=count), scale)
            sigmas = karras_sigmas(steps, **SIGMAS)
            generator = torch.Generator().manual_seed(0)
            noise = torch.randn(told.reference.shape, generator=generator).to(self.device)
            prior = told.reference * scaling
            common = {"gamma": GAMMA, "omega": OMEGA, "generator": generator}
            if way.plain:
                latents = plain_loop(conditional, denoise, noise, sigmas, prior, segments=segments, **common)
            else:
                trajectory = animate(denoise, noise, sigmas)
                stage("first segment")

                def denoise_windows(windows, sigma, starts):
                    x, sigma = torch.stack(windows).to(self.device), sigma.to(self.device)
                    return [x0.cpu() for part in x.split(len(x) if way.batched else 1) for x0 in denoise(part, sigma)]

                frames = segments * self.size.frames
                change = torch.zeros(noise.shape[-2:])
                timeline = plan_joins(RESTART, segment=self.size.frames, total_frames=frames, change=change)
                latents = extend(conditional, denoise_windows, trajectory, timeline, prior, **common)
            stage("other segments" if "first segment" in stages else "segments")
            frames = self.decode(way, latents / scaling)
            stage("decoding")
        return latents, frames, passes, stages

    def decode(self, way: Way, latents: Tensor) -> Tensor:
        """Unscaled [N, c, h, w] → [N, 3, H, W] float32, in main memory; no chunk crosses a join."""
        decoder, dtype = self.part("decoder", way.decoder), self.models.dtype
        pieces = -(-self.size.frames // self.size.chunk_frames)
        chunks = [chunk for segment in latents.split(self.size.frames) for chunk in segment.tensor_split(pieces)]

        def decoded() -> Iterator[Tensor]:
            for chunk in chunks:
                yield decoder(chunk.to(self.device, dtype), chunk.new_zeros(1, len(chunk)).to(self.device), len(chunk))

        if way.behind:
            frames, first = torch.empty(len(latents), 3, self.size.side, self.size.side), 0
            for part in one_behind(decoded()):
                frames[first : first + len(part)] = part
                first += len(part)
            return frames
        return torch.cat([frames.float().cpu() for frames in decoded()])


@contextlib.contextmanager
def settings(way: Way) -> Iterator[None]:
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = way.benchmark
    try:
        with sdpa_kernel(ATTENTION, set_priority=True) if way.cudnn_attention else contextlib.nullcontext():
            yield
    finally:
        torch.backends.cudnn.benchmark = before


def distance(a: Tensor, b: Tensor) -> float:
    return ((a.float() - b.float()).norm() / b.float().norm()).item()


@torch.no_grad()
def rounding(bench: Bench, way: Way) -> dict[str, float]:
    """Relative distance from a float32 network, of diffusers' and of this way's: one UNet pass, one decoded chunk."""
    models, told = bench.models, bench.models.condition(bench.models.still)
    noise = torch.randn(told.reference.shape, generator=torch.Generator().manual_seed(5)).to(models.device)
    sample = torch.cat([noise.to(models.dtype), told.reference], dim=1)[None]
    inputs = sample, torch.tensor([0.3], device=models.device), told.image_embedding, told.added_time_ids
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
    with settings(way):
        for name, unet, decoder in (("diffusers", "plain", "plain"), ("ours", way.unet, way.decoder)):
            figures[f"UNet, {name}"] = distance(bench.part("unet", unet)(*inputs), exact)
            figures[f"decoder, {name}"] = distance(
                bench.part("decoder", decoder)(latents, flags, len(latents)), picture
            )
    return figures


def attempt(what: str, run: Callable):
    """run(), or None with the error printed: one failure must not cost the other figures."""
    try:
        return run()
    except Exception as error:
        traceback.print_exc()
        print(f"FAILED  {what}: {type(error).__name__}: {error}", flush=True)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        return None


def measure(
    size: Size, device: torch.device, *, seconds: float, parts: bool, compiled: list[str]
) -> tuple[list[str], list[str]]:
    """Rows of the table and lines below it; what does not fit into `seconds` is left out, and says so."""
    start = time.perf_counter()

    def say(text: str) -> None:
        print(f"[{time.perf_counter() - start:6.1f} s] {text}", flush=True)

    bench = Bench(Models(size, device))
    say("models built")
    told = bench.models.condition(bench.models.still)
    counted = attempt("FLOPs", lambda: count_flops(bench.models, told))
    unet_flops, decode_flops = counted or (float("nan"), float("nan"))
    say(f"UNet {unet_flops / 1e12:.2f} TFLOP a pass, decoding a segment {decode_flops / 1e12:.2f} TFLOP")
    ways, video = ladder(), {"segments": size.segments, "steps": size.steps}
    runs: dict[str, Run] = {}

    def go(name: str, run: Callable, **warm_up) -> None:
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
        thorough = {"segments": size.segments, "steps": 5}  # the fewest with a second phase
        warm_up = thorough if way.unet in ("fast", "compiled") else {"segments": 1, "steps": 1}
        go(way.name, lambda **video: bench.phased(way, **video), **warm_up)

    chain = f"chain of {size.segments} diffusers pipelines"
    names = [chain, *(way.name for way in ways)]
    for way in (ways[0], ways[-3], ways[-2], ways[-1]):
        phase(way)
    if parts:
        attempt("parts", lambda: measure_parts(bench, ways[-1]))
    pipeline = bench.models.pipeline
    go(chain, functools.partial(bench.chained, pipeline), segments=1, steps=1)
    if "pipeline" in compiled:
        names.insert(1, f"{chain}, compiled")
        go(names[1], functools.partial(bench.chained, compiled_pipeline(pipeline)), segments=1, steps=1)
    if "network" in compiled:
        way = replace(ways[-1], name="torch.compile instead of our kernels", unet="compiled", decoder="compiled")
        names.append(way.name)
        phase(way)
    for way in ways[1:-3]:
        phase(way)

    plain, first = runs.get(ways[0].name), runs.get(chain)
    nan = float("nan")
    rows, notes = [], []
    for name in names:
        run = runs.get(name)
        if run is None:
            rows.append([name, *[nan] * (len(HEADER) - 1)])
            continue
        flops = run.passes * unet_flops + size.segments * decode_flops
        same = run.latents is not None and plain is not None
        rows.append(
            [
                name,
                run.seconds,
                run.warm_up,
                first.seconds / run.seconds if first else nan,
                plain.seconds / run.seconds if plain else nan,
                run.passes,
                run.memory,
                f"{100 * flops / run.seconds / PEAK_TFLOPS / 1e12:.1f}",
                f"{distance(run.latents, plain.latents):.1e}" if same else nan,
                f"{distance(run.frames, plain.frames):.1e}" if same else nan,
            ]
        )
    errors = attempt("rounding", lambda: rounding(bench, ways[-1]))
    if errors:
        notes.append("Relative distance from float32: " + ", ".join(f"{k} {v:.1e}" for k, v in errors.items()) + ".")
    notes.append(f"One UNet pass {unet_flops / 1e12:.2f} TFLOP, decoding a segment {decode_flops / 1e12:.2f} TFLOP.")
    final = runs.get(ways[-1].name)
    if final:
        notes.append("The last line in seconds: " + ", ".join(f"{k} {v:.2f}" for k, v in final.stages.items()) + ".")
    say("done")
    return rows, notes


HEADER = ("", "seconds", "warm-up", "× chain", "× plain", "passes", "GiB", "MFU %", "Δ latents", "Δ frames")


def markdown(rows: list, notes: list[str], command: str, size: Size, device: torch.device) -> str:
    name = torch.cuda.get_device_name() if device.type == "cuda" else "CPU"
    lines = [
        "# Speed",
        "",
        f"`{command}`, {name}, torch {torch.__version__}.",
        "",
        f"{size.segments} segments of {size.frames} frames of {size.side}², {size.steps} steps, guidance {CFG[0]:g} to "
        f"{CFG[1]:g} on every step, γ = {GAMMA}, random weights, {'bf16' if device.type == 'cuda' else 'fp32'}; "
        "encoding the still and decoding are part of the time, the warm-up before it, in which kernels are chosen and "
        "built, is not. A pass is the UNet on one segment without guidance. "
        f"× is how many times faster. MFU is the FLOPs of diffusers' modules over the time and {PEAK_TFLOPS} TFLOP/s. "
        "Δ is the relative distance from the plain loop.",
        "",
        "| " + " | ".join(HEADER) + " |",
        "|---" + "|---:" * (len(HEADER) - 1) + "|",
    ]
    for row in rows:
        cells = [f"{x:.2f}" if isinstance(x, float) and x == x else "–" if x != x else str(x) for x in row]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", *(line for note in notes for line in (note, ""))]).rstrip() + "\n"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, default="full")
    parser.add_argument("--out", type=Path, help="a Markdown file to write the table to")
    parser.add_argument("--seconds", type=float, default=150, help="no further line is started after so long")
    parser.add_argument("--parts", action="store_true", help="also measure the parts of a pass, and alternatives")
    choices = {"choices": ("pipeline", "network"), "nargs": "+", "default": []}
    parser.add_argument("--compiled", **choices, help="also diffusers' or our own by torch.compile; minutes each")
    options = parser.parse_args(arguments)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    size = SIZES[options.size]
    rows, notes = measure(size, device, seconds=options.seconds, parts=options.parts, compiled=options.compiled)
    print(table(HEADER, rows), *notes, sep="\n", flush=True)
    if options.out:
        command = "python -m driftfield.evaluation.speed " + " ".join(sys.argv[1:] if arguments is None else arguments)
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(markdown(rows, notes, command.strip(), size, device), encoding="utf-8")


if __name__ == "__main__":
    main()
