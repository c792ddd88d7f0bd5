"""Table 1: what each part of the method adds, on held-out clips that arrows drawn on their own flow set in motion."""

import zlib
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator

import torch
from torch import Tensor

from ...flow_tools.dense import FADED, densify
from ...flow_tools.estimate import estimate_flow
from ...flow_tools.strength import strength_percent
from ...model_loaders import locations, memory
from ...pipeline.refine import refine
from ...training.data.hints import draw_hints
from ..inputs.held_out import flows_of, held_out_clips
from ..metrics import learned
from ..metrics.dynamic_degree import dynamic_degree
from ..metrics.end_point_error import end_point_error
from ..metrics.flow_cosine import flow_cosine
from ..metrics.likeness import likeness
from ..options import add_clips, add_paper
from ..output.publish import device_name, publish
from ..output.results import Results, digest_without_lora
from ..shots import Models, Shot, load_models, measured, settings_of
from .means import columns, fvd, mean

FULL, NO_REFINER, NO_FIELDS, NO_STRENGTH = "full", "without refiner", "without motion fields", "without strength"
VARIANTS = (FULL, NO_REFINER, NO_FIELDS, NO_STRENGTH)
FIGURES = columns("psnr", "ssim", "lpips", "tem_cons", "error", "cosine", "degree")


def add_arguments(parser: ArgumentParser) -> None:
    add_paper(parser)
    add_clips(parser)


def run(arguments: Namespace) -> None:
    models = load_models(arguments.model, arguments.adapter)
    networks, missing = learned.load(locations.metrics(), memory.device())
    settings = {**settings_of(arguments), "model": arguments.model, "adapter": arguments.adapter}
    rows = measure(models, networks, Results(arguments.work / "table1.json", settings), arguments)
    lines = []
    for variant, some in rows.items():
        label = "ours" if variant == FULL else f"ours, {variant}"
        lines.append([label, fvd(some), *(mean(row[figure] for row in some) for figure in FIGURES)])
    notes = [
        f"Means of {len(rows[FULL])} held-out clips, {arguments.frames} frames, model {arguments.model}, weights "
        f"{digest_without_lora(locations.WEIGHTS)}, on {device_name()}.",
        *missing,
        "Each clip's first frame, and a few hints on the clip's mean flow as arrows; compared with the clip itself.",
        "The paper's other methods are networks of their own, most of them closed: they are not here. The columns of "
        "its user study are left out: nobody was asked.",
    ]
    title = "What each part adds (the paper's table 1)"
    publish(arguments, "table1", title, ["method", "FVD", *FIGURES.values()], lines, notes=notes)


def measure(models: Models, networks: learned.Learned, results: Results, arguments: Namespace) -> dict[str, list[dict]]:
    """Figures of every held-out clip under the name of each variant."""
    clips = dict(held_out_clips(arguments, models.animator.size))
    flows = dict(zip(clips, flows_of(clips), strict=True))

    def figures(key: str, video: Tensor) -> dict:
        name = key.rpartition(", ")[0]
        clip, motion = clips[name], estimate_flow(video)
        row = {**likeness(video[1:], clip[1:]), "degree": dynamic_degree(motion)}
        row |= {"error": end_point_error(motion, flows[name])}
        row |= {"cosine": flow_cosine(motion, flows[name].mean(0, keepdim=True)), **networks.figures(video, clip)}
        if networks.i3d is not None:
            row["i3d of the clip"] = networks.figures(clip, clip)["i3d"]
        return row

    def compute(keys: list[str]) -> Iterator[dict]:
        for variant in VARIANTS:  # one call each, for its shots' conditioning differs
            names = [name for name in clips if f"{name}, {variant}" in keys]
            shots = {f"{name}, {variant}": shot(models, variant, name, clips[name], flows[name]) for name in names}
            yield from measured(models, shots, figures, arguments)

    rows = results.fill([f"{name}, {variant}" for variant in VARIANTS for name in clips], compute, in_words)
    return {variant: [rows[f"{name}, {variant}"] for name in clips] for variant in VARIANTS}


def shot(models: Models, variant: str, name: str, clip: Tensor, flow: Tensor) -> Shot:
    """Frame 0, and the field that a few hints on the clip's mean flow give; the name seeds their positions."""
    hints = draw_hints(flow.mean(dim=0), torch.Generator().manual_seed(zlib.crc32(name.encode())))
    dense = densify(*hints, mode=FADED)
    if variant == NO_REFINER:
        return Shot(clip[:1], dense)
    refined = refine(models.refiner, dense, clip[:1], hints=hints)
    if variant == NO_FIELDS:
        return Shot(clip[:1], None, strength_percent(refined))
    return Shot(clip[:1], refined, strength_conditioned=variant != NO_STRENGTH)


def in_words(row: dict[str, float]) -> str:
    return f"{row['psnr']:.1f} dB, SSIM {row['ssim']:.2f}, end-point error {row['error']:.2f} px/frame"
