"""Does more move where the motion strength is turned up? Figure 7's measurement, held to grow with every step."""

import statistics
from argparse import Namespace
from pathlib import Path

from torch import Tensor

from ...model_loaders import memory
from ..metrics.learned import Learned
from ..output.console import table
from ..output.contact_sheet import shown_frames, write_sheet, write_strip
from ..output.results import Bar, Results
from ..paper.figure7 import GROWING, fraction_growing, in_words, key_of, measure
from ..shots import load_models, settings_of


def run(arguments: Namespace) -> list[Bar]:
    """Prints the table, writes strength_response.json and strength_response.png, returns the bars."""
    results = Results(arguments.out / "strength_response.json", settings_of(arguments))
    no_networks = Learned(None, None, None, memory.device())  # the bars need none of their figures

    def strip(key: str) -> Path:
        return arguments.out / "strength_response" / f"{key}.png"

    def on_video(key: str, video: Tensor, row: dict) -> None:
        write_strip(strip(key), f"{key}: {in_words(row)}", shown_frames(video))

    rows = measure(load_models(), no_networks, GROWING, results, arguments, on_video=on_video)
    stills = rows[GROWING[0]]
    write_sheet(
        arguments.out / "strength_response.png",
        [[strip(key_of(name, percent)) for percent in GROWING] for name in stills],
    )
    means = {percent: statistics.fmean(row["mean_px"] for row in some.values()) for percent, some in rows.items()}
    growing = fraction_growing(rows, "mean_px")
    print(table(("motion strength, %", "px/frame"), [(str(percent), mean) for percent, mean in means.items()]))
    print(f"share of stills whose motion grows with every step: {growing:.2f}")
    bars = [
        Bar(f"strength: motion at {high} % over that at {low} %, px/frame", means[high] - means[low], 0.0, strict=True)
        for low, high in zip(GROWING, GROWING[1:], strict=False)
    ]
    results.finish({**{f"{percent} %": mean for percent, mean in means.items()}, "growing": growing}, bars)
    return bars
