"""Single segments: what each part of the method adds (table 1), and more motion strength (figure 7)."""

import statistics
from argparse import Namespace
from collections.abc import Iterator

import torch
from torch import Tensor

from ..flow_tools.estimate import estimate_flow
from ..model_loaders import locations, memory
from . import learned
from .ablations import VARIANTS, shot
from .animations import Shot, load_models, measured, settings_of
from .autoencoder import likeness
from .held_out import held_out_clips, held_out_stills
from .long_methods import fvd, mean
from .long_video import dynamic_degree, flow_cosine
from .metrics import end_point_error, frame_change
from .publish import publish
from .reconstruction import flows_of
from .report import Results, digest_without_lora

PERCENTS = (0, 50, 100, 200, 300, 400)
TABLE1 = {
    "psnr": "PSNR, dB",
    "ssim": "SSIM",
    "lpips": "LPIPS",
    "tem_cons": "Tem-Cons",
    "error": "end-point error, px/frame",
    "cosine": "cosine",
    "degree": "dynamic degree, px/frame",
}
STRENGTH = {"degree": "dynamic degree, px/frame", "change": "frame change, of 255", "tem_cons": "Tem-Cons"}


def run(arguments: Namespace) -> None:
    models = load_models(arguments.model, arguments.adapter)
    networks, missing = learned.load(locations.metrics(), memory.device())
    settings = {**settings_of(arguments), "model": arguments.model, "adapter": arguments.adapter}
    results = Results(arguments.work / f"{arguments.name}.json", settings)
    device = memory.device()
    place = torch.cuda.get_device_name(device) if device.type == "cuda" else "a CPU"
    made_by = f"model {arguments.model}, weights {digest_without_lora(locations.WEIGHTS)}, on {place}"
    if arguments.name == "table1":
        table1(arguments, models, networks, results, made_by, missing)
    else:
        strength(arguments, models, networks, results, made_by, missing)


def table1(arguments: Namespace, models, networks, results: Results, made_by: str, missing: list[str]) -> None:
    clips = dict(held_out_clips(arguments, models.animator.size))
    flows = dict(zip(clips, flows_of(clips), strict=True))

    def measure(key: str, video: Tensor) -> dict:
        name = key.rpartition(", ")[0]
        clip, motion = clips[name], estimate_flow(video)
        row = {**likeness(video[1:], clip[1:]), "degree": dynamic_degree(motion)}
        row |= {"error": end_point_error(motion, flows[name])}
        row |= {"cosine": flow_cosine(motion, flows[name].mean(0, keepdim=True)), **networks.figures(video, clip)}
        if networks.i3d is not None:
            row["i3d of the clip"] = networks.figures(clip, clip)["i3d"]
        return row

    def compute(keys: list[str]) -> Iterator[dict]:
        for variant in VARIANTS:  # one call each, for what its shots are told differs
            names = [name for name in clips if f"{name}, {variant}" in keys]
            shots = {f"{name}, {variant}": shot(models, variant, name, clips[name], flows[name]) for name in names}
            yield from measured(models, shots, measure, arguments)

    keys = [f"{name}, {variant}" for variant in VARIANTS for name in clips]
    rows = results.fill(keys, compute, lambda row: f"{row['psnr']:.1f} dB")
    lines = []
    for variant in VARIANTS:
        of_variant = [rows[f"{name}, {variant}"] for name in clips]
        figures = [mean(row[figure] for row in of_variant) for figure in TABLE1]
        lines.append(["ours" if variant == VARIANTS[0] else f"ours, {variant}", fvd(of_variant), *figures])
    notes = [
        f"Means of {len(clips)} held-out clips, {arguments.frames} frames, {made_by}.",
        *missing,
        "Each clip's first frame, and a few hints on the clip's mean flow as arrows; compared with the clip itself.",
        "The paper's other methods are networks of their own, most of them closed: they are not here. The columns of "
        "its user study are left out: nobody was asked.",
    ]
    title = "What each part adds (the paper's table 1)"
    publish(arguments, "table1", title, ["method", "FVD", *TABLE1.values()], lines, notes=notes)


def strength(arguments: Namespace, models, networks, results: Results, made_by: str, missing: list[str]) -> None:
    stills = dict(held_out_stills(arguments, models.animator.size))
    shots = {
        f"{name}, {percent} %": Shot(stills[name], None, float(percent)) for percent in PERCENTS for name in stills
    }

    def measure(key: str, video: Tensor) -> dict:
        row = {"degree": dynamic_degree(estimate_flow(video)), "change": frame_change(video)}
        return {**row, "tem_cons": networks.figures(video, None)["tem_cons"]}

    def compute(keys: list[str]) -> Iterator[dict]:
        return measured(models, {key: shots[key] for key in keys}, measure, arguments)

    rows = results.fill(list(shots), compute, lambda row: f"{row['degree']:.2f} px/frame")
    lines = []
    for percent in PERCENTS:
        of_percent = [rows[f"{name}, {percent} %"] for name in stills]
        lines.append([str(percent), *(mean(row[figure] for row in of_percent) for figure in STRENGTH)])
    grows = [
        all(rows[f"{name}, {a} %"]["degree"] < rows[f"{name}, {b} %"]["degree"] for a, b in ((100, 200), (200, 400)))
        for name in stills
    ]
    notes = [
        f"Means of {len(stills)} held-out stills without arrows, {arguments.frames} frames, {made_by}.",
        *(line for line in missing if line.startswith("Tem-Cons")),
        f"Share of the stills that move more at 200 % than at 100 %, and at 400 % than at 200 %: "
        f"{statistics.fmean(grows):.2f}.",
        "Dynamic degree: mean length of the measured flow, at 512 px.",
    ]
    title = "More motion strength (the paper's figure 7)"
    header = ["motion strength, %", *STRENGTH.values()]
    publish(arguments, "strength", title, header, lines, notes=notes, line=True)
