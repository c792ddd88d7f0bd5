"""No arrows, and the motion strength turned up: does more move? (the paper's figure 7)"""

import statistics
from argparse import Namespace

import torch
from torch import Tensor

from ..flow_tools.estimate import estimate_flow
from .animations import Shot, load_models, measured, settings_of
from .contact_sheet import shown_frames, write_sheet, write_strip
from .held_out import held_out_stills
from .metrics import frame_change, mean_length
from .report import Bar, Results, table

PERCENTS = (100, 200, 400)


def run(arguments: Namespace) -> list[Bar]:
    """Prints the table, writes strength_response.json and strength_response.png, returns the bars."""
    models = load_models()
    results = Results(arguments.out / "strength_response.json", settings_of(arguments))
    shots, blocks = {}, []
    for name, image in held_out_stills(arguments, models.animator.size):
        named = {f"{name}, {percent} %": Shot(image, None, float(percent)) for percent in PERCENTS}
        blocks.append([arguments.out / "strength_response" / f"{key}.png" for key in named])
        shots |= named

    def measure(key: str, video: Tensor) -> dict:
        everywhere = torch.ones(video.shape[-2:], dtype=torch.bool)
        row = {"mean_px": mean_length(estimate_flow(video), everywhere), "change": frame_change(video)}
        write_strip(arguments.out / "strength_response" / f"{key}.png", f"{key}: {in_words(row)}", shown_frames(video))
        return row

    def compute(keys: list[str]):
        return measured(models, {key: shots[key] for key in keys}, measure, arguments)

    rows = results.fill(list(shots), compute, in_words)
    write_sheet(arguments.out / "strength_response.png", blocks)
    motions = {
        percent: [row["mean_px"] for key, row in rows.items() if key.endswith(f" {percent} %")] for percent in PERCENTS
    }
    means = {percent: statistics.fmean(motion) for percent, motion in motions.items()}
    growing = statistics.fmean(list(px) == sorted(set(px)) for px in zip(*motions.values(), strict=True))
    print(table(("motion strength, %", "px/frame"), [(str(percent), mean) for percent, mean in means.items()]))
    print(f"share of stills whose motion grows with every step: {growing:.2f}")
    bars = [
        Bar(f"strength: motion at {high} % over that at {low} %, px/frame", means[high] - means[low], 0.0, strict=True)
        for low, high in zip(PERCENTS, PERCENTS[1:], strict=False)
    ]
    results.finish({**{f"{percent} %": mean for percent, mean in means.items()}, "growing": growing}, bars)
    return bars


def in_words(row: dict) -> str:
    return f"{row['mean_px']:.2f} px/frame"
