"""What table 2 and figure 8 measure: long videos, on held-out clips' own flow or on stills with arrows."""

import statistics
import time
from argparse import ArgumentParser, Namespace
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ...flow_tools.arrows import MotionArrows
from ...flow_tools.convention import crop_padding
from ...flow_tools.estimate import estimate_flow
from ...model_loaders import locations, memory
from ...pipeline.animate import Animation, animate
from ...pipeline.baselines import METHODS, evaluations, lengthen
from ...pipeline.decode import decode
from ...pipeline.extend import extend_animation
from ...pipeline.settings import DIRECT, BaselineSettings, ExtendSettings, Settings
from ...sampling import phased
from ...sampling.joins import JOINS, Timeline
from ...sampling.windows import window_starts
from ..inputs.arrow_sets import arrow_sets
from ..inputs.held_out import chosen, held_out_stills, resized
from ..measuring import measuring
from ..metrics import learned
from ..metrics.arrow_obedience import cosine_under_arrows
from ..metrics.dynamic_degree import dynamic_degree
from ..metrics.end_point_error import end_point_error
from ..metrics.flow_cosine import flow_cosine
from ..metrics.join_jump import join_jump, neighbour_changes
from ..metrics.likeness import likeness
from ..metrics.repetition import repetition
from ..metrics.sharpness_in_joins import sharpness_in_joins
from ..options import add_clips, add_paper, at_least
from ..output.publish import device_name
from ..output.results import Results, digest_without_lora
from ..shots import Models, Shot, flow_of, inputs_of, load_models, planned
from .means import columns, fvd, mean

OURS, TIME_OF = "ours, ", "time of "
ALL_METHODS = [*METHODS, *(OURS + joins for joins in JOINS)]
IN_FLIGHT = 6  # videos that wait to be measured while the next is sampled
TIMED = 3  # runs of every method, after one more that is not
FIGURES = columns(
    *("psnr", "ssim", "lpips", "tem_cons", "error", "between", "cosine"),
    *("jump", "largest", "sharpness", "repeated", "degree"),
)


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
    passes: int  # evaluations; with the first segment's where the method begins with it


@dataclass(frozen=True)
class Measured:
    """Figures of every case under the label of each method, or of each gamma."""

    rows: dict[str, list[dict]]
    seconds: dict[str, float]  # of one video, without decoding
    cases: int
    kind: str  # "clips" or "stills"
    missing: list[str]  # metrics, in words


def add_arguments(parser: ArgumentParser) -> None:
    """Those that table 2 and figure 8 share."""
    add_paper(parser)
    parser.add_argument(
        "--total-frames",
        type=at_least(2),
        default=ExtendSettings.total_frames,
        help="frames of each video (default: %(default)s)",
    )
    parser.add_argument(
        "--cfg-max",
        type=float,
        default=Settings.cfg_max,
        help="guidance of the last frame (default: %(default)g; SVD: 3)",
    )
    add_clips(parser)
    parser.add_argument(
        "--stills", type=int, default=0, help="that many held-out stills with two arrows instead of clips"
    )


def measure(arguments: Namespace, name: str, labels: list[str], *, option: str) -> Measured:
    """Videos by these methods or gammas, as `lengthened` reads them. name: of the file in --work.

    option: what the figures depend on beside the options that all share.
    """
    models = load_models(arguments.model, arguments.adapter)
    networks, missing = learned.load(locations.metrics(), memory.device())
    given = cases(models, arguments)
    kind = "stills" if arguments.stills else "clips"
    names = ("frames", "total_frames", "steps", "seed", "model", "adapter", "cfg_max", option)
    settings = {name: getattr(arguments, name) for name in names} | inputs_of(arguments)
    results = Results(arguments.work / f"{name}_{kind}.json", settings)

    def compute(keys: list[str]) -> Iterator[dict]:
        yield from measured(models, networks, given, labels, set(keys), arguments)

    def time_them(keys: list[str]) -> Iterator[dict]:
        first = next(iter(given.values()))
        return ({"seconds": seconds_of(models, first, key.removeprefix(TIME_OF), arguments)} for key in keys)

    keys = [f"{case}, {label}" for case in given for label in labels]
    rows = results.fill(keys, compute, lambda row: f"jump {row['jump']:.2f}")
    times = results.fill([TIME_OF + label for label in labels], time_them, lambda row: f"{row['seconds']:.2f} s")
    return Measured(
        {label: [rows[f"{case}, {label}"] for case in given] for label in labels},
        {label: times[TIME_OF + label]["seconds"] for label in labels},
        len(given),
        kind,
        missing,
    )


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
    waiting = deque()
    with measuring(IN_FLIGHT) as pool:
        for name, case in given.items():
            todo = [label for label in labels if f"{name}, {label}" in wanted]
            if not todo:
                continue
            animation = sampled(models, case, arguments)
            for label in todo:
                made = lengthened(animation, label, arguments)
                video = decode(animation.animator, made.latents, segment_frames=animation.segment_frames)
                video = crop_padding(video, animation.plan.still.padding).clamp(-1, 1)
                waiting.append(pool.submit(figures, networks, case, video, made, arguments.frames))
                while waiting and (waiting[0].done() or len(waiting) > IN_FLIGHT):
                    yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def seconds_of(models: Models, case: Case, label: str, arguments: Namespace) -> float:
    """Of one video, without decoding, the median: alone, for measuring videos beside it takes the processor's time.

    The first segment's are counted where the method begins with it.
    """
    taken, animation = [], sampled(models, case, arguments)
    for _ in range(1 + TIMED):
        start = time.perf_counter()  # results are in main memory: nothing is still to come from a GPU
        if begins_with_segment(label):
            animation = sampled(models, case, arguments)
        lengthened(animation, label, arguments)
        taken.append(time.perf_counter() - start)
    return statistics.median(taken[1:])


def begins_with_segment(label: str) -> bool:
    return label not in METHODS or label == DIRECT


def sampled(models: Models, case: Case, arguments: Namespace) -> Animation:
    """The first segment."""
    settings = Settings(seed=arguments.seed, steps=arguments.steps, frames=arguments.frames, cfg_max=arguments.cfg_max)
    return animate(models.animator, planned(models.animator, Shot(case.image, case.flow), settings))


def lengthened(animation: Animation, label: str, arguments: Namespace) -> Lengthened:
    total, segment, seed = arguments.total_frames, animation.segment_frames, arguments.seed
    pace = torch.ones(total - 1)
    if label in METHODS:
        overlap = segment // 2
        settings = BaselineSettings(total, label, overlap, seed)
        longer = lengthen(animation, settings)
        starts = range(0, total, segment) if label == DIRECT else window_starts(total, segment, overlap)
        edges = {edge for start in starts for edge in (start, start + segment) if 0 < edge < total}
        joins = torch.zeros(total - 1, dtype=torch.bool)
        joins[[edge - 1 for edge in edges]] = True
        passes = evaluations(animation, settings)
    else:
        kind = label.removeprefix(OURS) if label.startswith(OURS) else arguments.joins
        gamma = arguments.gamma if label.startswith(OURS) else float(label)
        settings = ExtendSettings(total, gamma=gamma, seed=seed, joins=kind)
        longer = extend_animation(animation, settings)
        timeline = longer.timeline
        joins = joins_of(timeline)[: total - 1]
        if JOINS[kind].turns:
            pace = timeline.mean(torch.arange(float(segment))).diff()
        passes = phased.evaluations(timeline, steps=arguments.steps, gamma=gamma)
    return Lengthened(longer.latents, joins, pace, passes + begins_with_segment(label) * arguments.steps)


def joins_of(timeline: Timeline) -> Tensor:
    """[N - 1] bool: changes within a crossfade, or from one pass to the next."""
    fading = timeline.weight > 0
    return fading[1:] | fading[:-1] | (timeline.number[1].diff() != 0)


def figures(
    networks: learned.Learned, case: Case, video: Tensor, made: Lengthened, segment: int
) -> dict[str, float | None]:
    """All that is measured of a video [N, 3, H, W]; NaN where a figure has no meaning, None where a network lacks."""
    nan, joins, pace = float("nan"), made.joins, made.pace.view(-1, 1, 1, 1)
    motion = estimate_flow(video) * torch.where(pace < 0, -1.0, 1.0)
    asked = case.flow * pace.abs()
    on_device = video.to(memory.device())
    jump, largest = join_jump(neighbour_changes(on_device).cpu(), joins)
    row = {"passes": made.passes, "jump": jump, "largest": largest, "degree": dynamic_degree(motion)}
    row["sharpness"] = sharpness_in_joins(on_device, joins)
    row["repeated"] = repetition(on_device, segment)[0]
    row |= {"error": end_point_error(motion, asked), "cosine": flow_cosine(motion, case.flow)}
    row["between"] = end_point_error(motion[~joins], asked[~joins]) if not joins.all() else nan
    if case.arrows is not None:
        row["cosine"] = cosine_under_arrows(motion, case.arrows, segment)
    target = None if case.clip is None else case.clip[: len(video)]
    row |= networks.figures(video, target)
    if target is None:
        return {**row, "psnr": nan, "ssim": nan, "lpips": nan, "i3d": None}
    row |= likeness(on_device[1 : len(target)], target[1:])
    if networks.i3d is not None:
        row["i3d of the clip"] = networks.figures(target, target)["i3d"]
    return row


def table_of(measured: Measured, first: str, reference: str) -> tuple[list[str], list[list]]:
    """(header, rows): means of the figures, and the time over that of the first label, called `reference`.

    first: the header of the labels. Seconds are given on a GPU alone: there they say something to others.
    """
    on_gpu = torch.cuda.is_available()
    header = [first, "FVD", *FIGURES.values(), "evaluations", f"time ÷ {reference}"]
    header += ["seconds"] if on_gpu else []
    unit, lines = measured.seconds[next(iter(measured.rows))], []
    for label, rows in measured.rows.items():
        line = [label, fvd(rows), *(mean(row[figure] for row in rows) for figure in FIGURES), rows[0]["passes"]]
        seconds = measured.seconds[label]
        lines.append([*line, seconds / unit] + ([seconds] if on_gpu else []))
    return header, lines


def notes_of(arguments: Namespace, measured: Measured, settings: str) -> list[str]:
    """settings: the one that is this page's own, in words."""
    notes = [
        f"Means of {measured.cases} held-out {measured.kind}, {arguments.total_frames} frames each from segments of "
        f"{arguments.frames}, {settings}, model {arguments.model}, weights {digest_without_lora(locations.WEIGHTS)}, "
        f"on {device_name()}.",
        *measured.missing,
        "Frames as the decoder gives them, for all methods alike, without the detail that Decode Animation adds "
        "to ours.",
        "Join jump: change of neighbouring frames across joins (fades and turns included) over the median change "
        "elsewhere; 1 is best, more is a jump, less a halt: Direct's clips begin with the frame before. "
        "Repetition: distance of a frame beyond the first segment to the nearest earlier one over the median change of "
        "neighbours, the least of each video; 0 is a copy. Evaluations: segments that the network saw, guidance apart.",
        f"Time: of the first of the {measured.kind}, without decoding, the median of {TIMED} runs. End-point error and "
        "cosine: motion that is measured in the result (DIS), against the flow that was asked for, and against its "
        "opposite where ping-pong runs back.",
        "Sharpness: mean size of the gradient in frames of a fade, or of ping-pong's turns, over the median elsewhere.",
    ]
    if measured.kind == "clips":
        notes.append(
            "What is compared with a clip ends where the clip does; the flow asked for is its own, averaged over time."
        )
    return notes
