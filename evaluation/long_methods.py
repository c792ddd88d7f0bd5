"""Long videos by every method, on held-out clips' own flow or stills with arrows: table 2, and figure 8 over gamma."""

import statistics
import time
from argparse import Namespace
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import torch
from torch import Tensor

from ..flow_tools.arrows import MotionArrows
from ..flow_tools.convention import crop_padding
from ..flow_tools.estimate import estimate_flow
from ..model_loaders import locations, memory
from ..pipeline.animate import Animation, animate
from ..pipeline.baselines import evaluations, lengthen
from ..pipeline.decode import decode
from ..pipeline.extend import extend_animation
from ..pipeline.settings import DIRECT, METHODS, BaselineSettings, ExtendSettings, Settings
from ..sampling import phased
from ..sampling.joins import JOINS, PING_PONG, Timeline
from ..sampling.windows import window_starts
from . import learned
from .animations import Models, Shot, flow_of, inputs_of, load_models, planned
from .arrow_sets import arrow_sets
from .autoencoder import likeness
from .held_out import chosen, held_out_stills, resized
from .long_video import dynamic_degree, flow_cosine, join_jump, neighbour_changes, repetition, sharpness_in_joins
from .metrics import commanded_velocity, cosine, end_point_error, under_arrow
from .publish import publish
from .report import Results, digest_without_lora

OURS = "ours, "
ALL_METHODS = [*METHODS, *(OURS + joins for joins in JOINS)]
GAMMAS = [i / 10 for i in range(11)]
IN_FLIGHT = 6  # videos that wait to be measured while the next is sampled
FIGURES = {  # what is measured of a video -> its column
    "psnr": "PSNR, dB",
    "ssim": "SSIM",
    "lpips": "LPIPS",
    "tem_cons": "Tem-Cons",
    "error": "end-point error, px/frame",
    "between": "the same between joins",
    "cosine": "cosine",
    "jump": "join jump",
    "largest": "largest jump",
    "sharpness": "sharpness in fades and turns",
    "repeated": "repetition, least",
    "degree": "dynamic degree, px/frame",
}


@dataclass(frozen=True)
class Case:
    image: Tensor  # [1, 3, H, W] -1..1
    flow: Tensor  # [1, 2, H, W] px/frame, what is asked for
    clip: Tensor | None = None  # [F, 3, H, W]: what the picture really did
    arrows: MotionArrows | None = None


@dataclass(frozen=True)
class Lengthened:
    latents: Tensor  # [N, c, h, w]
    joins: Tensor  # bool [N - 1]: which changes of neighbours are joins
    pace: Tensor  # [N - 1]: what the motion is to be, as a factor of the flow that is asked for
    facts: dict  # evaluations and seconds; both count the first segment's where the method begins with it


def run(arguments: Namespace) -> None:
    models = load_models(arguments.model, arguments.adapter)
    networks, missing = learned.load(locations.metrics(), memory.device())
    given = cases(models, arguments)
    kind = "stills" if arguments.stills else "clips"
    names = ("frames", "total_frames", "steps", "seed", "model", "adapter", "cfg_max", *arguments.also)
    settings = {name: getattr(arguments, name) for name in names} | inputs_of(arguments)
    results = Results(arguments.work / f"{arguments.name}_{kind}.json", settings)
    labels = ALL_METHODS if arguments.name == "table2" else [f"{gamma:g}" for gamma in GAMMAS]

    def compute(keys: list[str]) -> Iterator[dict]:
        yield from measured(models, networks, given, labels, set(keys), arguments)

    keys = [f"{name}, {label}" for name in given for label in labels]
    rows = results.fill(keys, compute, lambda row: f"{row['seconds']:.1f} s, jump {row['jump']:.2f}")
    by_label = {label: [rows[f"{name}, {label}"] for name in given] for label in labels}
    write(arguments, by_label, given, kind, missing)


def cases(models: Models, arguments: Namespace) -> dict[str, Case]:
    size, found = models.animator.size, {}
    if arguments.stills:
        for name, image in held_out_stills(arguments, size):
            arrows = arrow_sets(image, name)["two"]
            found[name] = Case(image, flow_of(models, image, arrows, frames=arguments.frames), arrows=arrows)
        return found
    for name, clip in chosen(arguments, "clips"):
        video = resized(clip[: arguments.total_frames], size)
        found[name] = Case(video[:1], estimate_flow(video[: arguments.frames]).mean(0, keepdim=True), clip=video)
    return found


def measured(
    models: Models,
    networks: learned.Learned,
    given: dict[str, Case],
    labels: list[str],
    wanted: set[str],
    arguments: Namespace,
) -> Iterator[dict]:
    """Figures of the wanted "case, label", in order; the first segment is sampled once for each case."""
    cv2.setNumThreads(1)
    waiting, warm = deque(), False
    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        for name, case in given.items():
            todo = [label for label in labels if f"{name}, {label}" in wanted]
            if not todo:
                continue
            if not warm:  # what the first pass on a device takes is nobody's time
                extend_animation(sampled(models, case, arguments)[0], ExtendSettings(arguments.frames + 1))
                warm = True
            animation, seconds = sampled(models, case, arguments)
            for label in todo:
                made = lengthened(animation, seconds, label, arguments)
                video = decode(animation.animator, made.latents, segment_frames=animation.segment_frames)
                video = crop_padding(video, animation.plan.still.padding).clamp(-1, 1)
                waiting.append(pool.submit(figures, networks, case, video, made, arguments.frames))
                while waiting and (waiting[0].done() or len(waiting) > IN_FLIGHT):
                    yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def sampled(models: Models, case: Case, arguments: Namespace) -> tuple[Animation, float]:
    """(the first segment, seconds of its sampling)."""
    settings = Settings(seed=arguments.seed, steps=arguments.steps, frames=arguments.frames, cfg_max=arguments.cfg_max)
    plan = planned(models.animator, Shot(case.image, case.flow), settings)
    return timed(lambda: animate(models.animator, plan))


def lengthened(animation: Animation, first_seconds: float, label: str, arguments: Namespace) -> Lengthened:
    total, segment, seed = arguments.total_frames, animation.segment_frames, arguments.seed
    pace = torch.ones(total - 1)
    if label in METHODS:
        overlap = segment // 2
        settings = BaselineSettings(total, label, overlap, seed)
        longer, seconds = timed(lambda: lengthen(animation, settings))
        starts = range(0, total, segment) if label == DIRECT else window_starts(total, segment, overlap)
        edges = {edge for start in starts for edge in (start, start + segment) if 0 < edge < total}
        joins = torch.zeros(total - 1, dtype=torch.bool)
        joins[[edge - 1 for edge in edges]] = True
        passes = evaluations(animation, settings)
    else:
        kind = label.removeprefix(OURS) if label.startswith(OURS) else arguments.joins
        gamma = arguments.gamma if label.startswith(OURS) else float(label)
        settings = ExtendSettings(total, gamma=gamma, seed=seed, joins=kind)
        longer, seconds = timed(lambda: extend_animation(animation, settings))
        timeline = longer.timeline
        joins = joins_of(timeline)[: total - 1]
        if kind == PING_PONG:
            pace = timeline.mean(torch.arange(float(segment))).diff()
        passes = phased.evaluations(timeline, steps=arguments.steps, gamma=gamma)
    begins = label not in METHODS or label == DIRECT
    facts = {"passes": passes + begins * arguments.steps, "seconds": seconds + begins * first_seconds}
    return Lengthened(longer.latents, joins, pace, facts)


def joins_of(timeline: Timeline) -> Tensor:
    """[N - 1] bool: changes within a crossfade, or from one pass to the next."""
    fading = timeline.share > 0
    return fading[1:] | fading[:-1] | (timeline.number[1].diff() != 0)


def timed(work: Callable) -> tuple:
    start = time.perf_counter()  # results are in main memory: nothing is still to come from a GPU
    return work(), time.perf_counter() - start


def figures(
    networks: learned.Learned, case: Case, video: Tensor, made: Lengthened, segment: int
) -> dict[str, float | None]:
    """All that is measured of a video [N, 3, H, W]; NaN where a figure has no meaning, None where a network lacks."""
    nan, joins, pace = float("nan"), made.joins, made.pace.view(-1, 1, 1, 1)
    motion = estimate_flow(video) * torch.where(pace < 0, -1.0, 1.0)
    asked = case.flow * pace.abs()
    placed = video.to(memory.device())
    jump, largest = join_jump(neighbour_changes(placed).cpu(), joins)
    row = {**made.facts, "jump": jump, "largest": largest, "degree": dynamic_degree(motion)}
    row["sharpness"] = sharpness_in_joins(placed, joins)
    row["repeated"] = repetition(placed, segment)[0]
    row |= {"error": end_point_error(motion, asked), "cosine": flow_cosine(motion, case.flow)}
    row["between"] = end_point_error(motion[~joins], asked[~joins]) if not joins.all() else nan
    if case.arrows is not None:
        row["cosine"] = cosine_under_arrows(motion, case.arrows, segment)
    target = None if case.clip is None else case.clip[: len(video)]
    row |= networks.figures(video, target)
    if target is None:
        return {**row, "psnr": nan, "ssim": nan, "lpips": nan, "i3d": None}
    row |= likeness(placed[1 : len(target)], target[1:])
    if networks.i3d is not None:
        row["i3d of the clip"] = networks.figures(target, target)["i3d"]
    return row


def cosine_under_arrows(motion: Tensor, arrows: MotionArrows, segment: int) -> float:
    """Of the mean motion [N, 2, H, W] within 8 px (at 256 px) of each arrow with what it asks for, on average."""
    height, width = motion.shape[-2:]
    found = []
    for arrow in arrows.arrows:
        place = under_arrow(arrow, height=height, width=width, radius_px=max(height, width) / 32)
        asked = commanded_velocity(arrow, height=height, width=width, frames=segment)
        found.append(cosine(motion[..., place].mean(dim=(0, 2)), asked))
    return statistics.fmean(found)


def write(
    arguments: Namespace, by_label: dict[str, list[dict]], given: dict[str, Case], kind: str, missing: list[str]
) -> None:
    seconds = {label: statistics.median(row["seconds"] for row in rows) for label, rows in by_label.items()}
    table2 = arguments.name == "table2"
    reference = next(iter(by_label))  # Direct, or γ = 0
    device = memory.device()
    gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else None
    header = ["method" if table2 else "γ", "FVD", *FIGURES.values(), "evaluations"]
    header += [f"time ÷ {reference if table2 else 'γ = ' + reference}"] + (["seconds"] if gpu else [])
    lines = []
    for label, rows in by_label.items():
        line = [label, fvd(rows), *(mean(row[figure] for row in rows) for figure in FIGURES), rows[0]["passes"]]
        lines.append([*line, seconds[label] / seconds[reference]] + ([seconds[label]] if gpu else []))
    settings = f"γ {arguments.gamma:g}, " if table2 else f"joins: {arguments.joins}, "
    notes = [
        f"Means of {len(given)} held-out {kind}, {arguments.total_frames} frames each from segments of "
        f"{arguments.frames}, {settings}model {arguments.model}, weights {digest_without_lora(locations.WEIGHTS)}, "
        f"on {gpu or 'a CPU'}.",
        *missing,
        "Frames as the decoder gives them, for all methods alike, without the detail that Decode Animation adds "
        "to ours.",
        "Join jump: change of neighbouring frames across joins (fades and turns included) over the median change "
        "elsewhere; 1 is best, more is a jump, less a halt: Direct's clips begin with the frame before. "
        "Repetition: distance of a frame beyond the first segment to the nearest earlier one over the median change of "
        "neighbours, the least of each video; 0 is a copy. Evaluations: segments that the network saw, guidance apart.",
        "Time: median, without decoding. End-point error and cosine: motion that is measured in the result (DIS), "
        "against the flow that was asked for, and against its opposite where ping-pong runs back.",
        "Sharpness: mean size of the gradient in frames of a fade, or of ping-pong's turns, over the median elsewhere.",
    ]
    if kind == "clips":
        clips = (
            "What is compared with a clip ends where the clip does; the flow asked for is its own, averaged over time."
        )
        notes.append(clips)
    if table2:
        notes.append("FreeNoise's windows are whole passes of the network here, which costs more than the original.")
        notes.append("The columns of the paper's user study are left out: nobody was asked.")
    title = (
        f"Long videos by method, {kind} (the paper's table 2)" if table2 else f"Over γ, {kind} (the paper's figure 8)"
    )
    stem = arguments.name + ("_stills" if kind == "stills" else "")
    publish(arguments, stem, title, header, lines, notes=notes, line=not table2)


def mean(values) -> float | None:
    found = [value for value in values if value is not None]
    return statistics.fmean(found) if found else None


def fvd(rows: list[dict]) -> float | None:
    """NaN for fewer than two clips; None without the network, or without clips."""
    if rows[0].get("i3d of the clip") is None:
        return None
    if len(rows) < 2:
        return float("nan")
    made, real = (torch.tensor([row[key] for row in rows]) for key in ("i3d", "i3d of the clip"))
    return learned.frechet_distance(made, real)
