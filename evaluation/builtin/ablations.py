"""Does each part of the method add something? Table 1's measurement, held against the paper's order."""

import statistics
from argparse import Namespace

from ...model_loaders import memory
from ..metrics.learned import Learned
from ..output.console import table
from ..output.results import Bar, Results
from ..paper.table1 import FULL, NO_FIELDS, NO_REFINER, NO_STRENGTH, measure
from ..shots import load_models, settings_of

ORDER = ((FULL, NO_REFINER), (NO_REFINER, NO_FIELDS), (FULL, NO_STRENGTH), (NO_STRENGTH, NO_FIELDS))  # better, worse
FIGURES = {"psnr": 1, "ssim": 1, "error": -1}  # sign: whether more is better


def run(arguments: Namespace) -> list[Bar]:
    """Prints the table, writes ablations.json, returns the bars."""
    results = Results(arguments.out / "ablations.json", settings_of(arguments))
    no_networks = Learned(None, None, None, memory.device())  # the bars need none of their figures
    rows = measure(load_models(), no_networks, results, arguments)
    means = {
        variant: {key: statistics.fmean(row[key] for row in some) for key in FIGURES} for variant, some in rows.items()
    }
    print(table(("mean of held-out clips", *FIGURES), [(variant, *row.values()) for variant, row in means.items()]))
    bars = [
        Bar(
            f"ablations: {figure}, {better} over {worse}",
            sign * (means[better][figure] - means[worse][figure]),
            0.0,
            strict=True,
        )
        for figure, sign in FIGURES.items()
        for better, worse in ORDER
    ]
    results.finish(means, bars)
    return bars
