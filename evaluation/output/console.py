"""Figures in columns, for a terminal."""

import math
from collections.abc import Sequence


def table(header: Sequence[str], rows: Sequence[Sequence]) -> str:
    """Text in columns: the first to the left, numbers with two decimals to the right, None and NaN as a dash."""

    def cell(value) -> str:
        if value is None or isinstance(value, float) and math.isnan(value):
            return "-"
        return f"{value:.2f}" if isinstance(value, float) else str(value)

    lines = [list(map(cell, row)) for row in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]) for line in lines)
