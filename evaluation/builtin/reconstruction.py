"""Held-out clips from frame 0 and their own flow, beside what needs no model: that frame, copied or warped."""

import statistics
from argparse import Namespace
from collections.abc import Iterator

from torch import Tensor

from ...flow_tools.warp import reference_video
from ...model_loaders.animator import Animator
from ..inputs.held_out import flows_of, held_out_clips
from ..metrics.likeness import likeness
from ..output.console import table
from ..output.contact_sheet import shown_frames, write_sheet, write_strip
from ..output.results import Bar, Results
from ..shots import Shot, load_models, measured, settings_of
from .autoencoder import through_autoencoder

MOVING_DB = 20.0  # a clip moves where copying frame 0 gives less
BASELINES = ("copied", "warped")
AUTOENCODED = " through the autoencoder"
METHODS = ("model", *BASELINES, *(name + AUTOENCODED for name in BASELINES))


def run(arguments: Namespace) -> list[Bar]:
    """Prints the table, writes reconstruction.json and reconstruction.png, returns the bars."""
    models = load_models()
    results = Results(arguments.out / "reconstruction.json", settings_of(arguments))
    clips = dict(held_out_clips(arguments, models.animator.size))
    shots = {name: Shot(clip[:1], flow) for (name, clip), flow in zip(clips.items(), flows_of(clips), strict=True)}

    def strip(name: str, what: str):
        return arguments.out / "reconstruction" / f"{name}, {what}.png"

    def baselines(keys: list[str]) -> Iterator[dict]:
        for key in keys:
            name = key.removesuffix(", baselines")
            yield baseline_figures(models.animator, shots[name], clips[name])

    def measure(name: str, video: Tensor) -> dict:
        figures = likeness(video[1:], clips[name][1:])
        write_strip(strip(name, "clip"), name[:70], shown_frames(clips[name]))
        write_strip(strip(name, "model"), f"model: {figures['psnr']:.1f} dB", shown_frames(video))
        return {"model": figures}

    def in_words(row: dict) -> str:
        return ", ".join(f"{method} {figures['psnr']:.1f} dB" for method, figures in row.items())

    plain = results.fill([f"{name}, baselines" for name in shots], baselines, in_words)
    made = results.fill(
        list(shots), lambda names: measured(models, {name: shots[name] for name in names}, measure, arguments), in_words
    )
    rows = {name: {**row, **plain[f"{name}, baselines"]} for name, row in made.items()}
    write_sheet(arguments.out / "reconstruction.png", [[strip(name, "clip"), strip(name, "model")] for name in shots])
    for figure in ("psnr", "ssim"):
        lines = [(name, *(row[method][figure] for method in METHODS)) for name, row in rows.items()]
        print(
            table(
                (figure, *METHODS),
                [*lines, ("mean", *map(statistics.fmean, zip(*(x[1:] for x in lines), strict=True)))],
            )
        )
    figures = summary(rows)
    results.finish(figures, bars := margins(figures))
    return bars


def baseline_figures(animator: Animator, shot: Shot, clip: Tensor) -> dict[str, dict]:
    """PSNR and SSIM of frame 0 copied and warped along the flow, as they are and through the autoencoder.

    Frame 0 itself is left out, for there they are exact.
    """
    figures = {}
    videos = (shot.image.expand_as(clip), reference_video(shot.image, shot.flow, len(clip)))
    for name, video in zip(BASELINES, videos, strict=True):
        figures[name] = likeness(video[1:], clip[1:])
        figures[name + AUTOENCODED] = likeness(through_autoencoder(animator, video)[1:], clip[1:])
    return figures


def summary(rows: dict[str, dict]) -> dict[str, dict[str, float]]:
    """Means of every method and figure over all clips, and over those that move."""
    moving = [row for row in rows.values() if row["copied"]["psnr"] < MOVING_DB]
    return {
        f"{where} {figure}": {
            method: statistics.fmean(row[method][figure] for row in some) if some else None for method in METHODS
        }
        for where, some in (("all", list(rows.values())), ("moving", moving))
        for figure in ("psnr", "ssim")
    }


def margins(figures: dict[str, dict[str, float]]) -> list[Bar]:
    """The model's means over each baseline's: on all clips with the autoencoder's loss, on those that move without."""
    bars = []
    for where, suffix in (("all", AUTOENCODED), ("moving", "")):
        for figure, unit in (("psnr", "PSNR, dB,"), ("ssim", "SSIM")):
            means = figures[f"{where} {figure}"]
            for baseline in BASELINES:
                name = baseline + suffix
                margin = float("nan") if means["model"] is None else means["model"] - means[name]
                clips = "clips that move" if where == "moving" else "clips"
                bars.append(Bar(f"reconstruction: {unit} over frame 0 {name}, {clips}", margin, 0.0, strict=True))
    return bars
