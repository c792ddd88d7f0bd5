"""Tables of Markdown pages."""

import math
from collections.abc import Iterable, Sequence


def table(header: Sequence[str], rows: Iterable[Sequence], *, numbers: bool = False) -> str:
    """A line for each row of numbers, texts, or None for what is missing. numbers: all columns but the first are."""
    align = "---:" if numbers else "---"
    lines = [header, ["---", *[align] * (len(header) - 1)], *([cell(value) for value in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def cell(value: float | str | None) -> str:
    """Three digits of a number below 1, two decimals of others; a dash for NaN."""
    if value is None:
        return "missing"
    if isinstance(value, float):
        return "-" if math.isnan(value) else f"{value:.3g}" if abs(value) < 1 else f"{value:.2f}"
    return str(value)
