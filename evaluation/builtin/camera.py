"""The static-camera LoRA: first frames of held-out clips whose camera moves, with it and without, no arrows."""

import statistics
from argparse import Namespace
from dataclasses import replace

from torch import Tensor

from ...flow_tools.estimate import estimate_flow
from ...flow_tools.strength import strength_percent
from ...model_loaders import locations
from ...model_loaders.lora import apply_lora
from ...training.data.clip_filters import border_motion, static_camera
from ..inputs.held_out import flows_of, held_out_clips
from ..output.console import table
from ..output.contact_sheet import shown_frames, write_sheet, write_strip
from ..output.results import Bar, Results, digest
from ..shots import Shot, load_models, measured, settings_of

MOST_OF_MOTION = 0.5
WITHOUT, WITH = "without", "with"


def run(arguments: Namespace) -> list[Bar]:
    """Prints the table, writes camera.json and camera.png, returns the bar. ValueError where no camera moves."""
    models = load_models()
    lora = locations.resolve("lora", locations.BUILTIN)
    models = {WITHOUT: models, WITH: replace(models, animator=apply_lora(models.animator, lora, 1.0))}
    settings = {**settings_of(arguments), "lora": digest(lora)}
    results = Results(arguments.out / "camera.json", settings)
    clips = dict(held_out_clips(arguments, models[WITHOUT].animator.size))
    shots = {
        name: Shot(clip[:1], None, strength_percent(flow))
        for (name, clip), flow in zip(clips.items(), flows_of(clips), strict=True)
        if not static_camera(border_motions(flow))
    }
    if not shots:
        raise ValueError(f"camera: none of the {len(clips)} held-out clips was filmed by a moving camera")

    def strip(key: str):
        return arguments.out / "camera" / f"{key}.png"

    def measure(key: str, video: Tensor) -> dict[str, float]:
        row = {"border_px": statistics.fmean(border_motions(estimate_flow(video)))}
        write_strip(strip(key), f"{key} LoRA: {in_words(row)}", shown_frames(video))
        return row

    def compute(keys: list[str]):
        for choice in (WITHOUT, WITH):
            some = {f"{name}, {choice}": one for name, one in shots.items() if f"{name}, {choice}" in keys}
            yield from measured(models[choice], some, measure, arguments)

    rows = results.fill([f"{name}, {choice}" for choice in (WITHOUT, WITH) for name in shots], compute, in_words)
    write_sheet(
        arguments.out / "camera.png", [[strip(f"{name}, {choice}") for choice in (WITHOUT, WITH)] for name in shots]
    )
    lines = [(name, *(rows[f"{name}, {choice}"]["border_px"] for choice in (WITHOUT, WITH))) for name in shots]
    print(table(("border motion, px/frame", WITHOUT, WITH), lines))
    means = {choice: statistics.fmean(line[i] for line in lines) for i, choice in ((1, WITHOUT), (2, WITH))}
    bars = [
        Bar(
            "camera: border motion over that without the LoRA",
            means[WITH] / means[WITHOUT],
            MOST_OF_MOTION,
            at_least=False,
        )
    ]
    results.finish(means, bars)
    return bars


def border_motions(flow: Tensor) -> list[float]:
    return [border_motion(step) for step in flow.numpy()]


def in_words(row: dict[str, float]) -> str:
    return f"{row['border_px']:.2f} px/frame at the border"
