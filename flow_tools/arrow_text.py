"""What every reader of an arrows' text needs: its limits, its JSON, its numbers."""

import json
import re
from typing import Any, TypeGuard

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 8
LARGEST = 1e100  # of a number: its square is still finite

SPACE = " \t\r\n\ufeff"  # with the byte order mark; the same for the editor, see stripped() in saved_text.js


def within_limits(text: str) -> str:
    """The text itself; ValueError where it is more than 1 MB or nested deeper than 8."""
    if not isinstance(text, str):
        raise ValueError(f"arrows: got {type(text).__name__}, allowed text")
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > MAX_BYTES:
        raise ValueError(f"arrows: got {size:,} bytes of text, allowed at most {MAX_BYTES:,}")
    depth = 0
    for token in re.finditer(r'"[^"\\]*(?:\\[\s\S][^"\\]*)*"?|[\[{]|[\]}]', text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(token[0], 0)
        if depth > MAX_DEPTH:
            raise ValueError(f"arrows: nested deeper than {MAX_DEPTH} at character {token.start()}")
    return text


def parse_json(text: str) -> Any:
    """What the JSON says; single quotes count as double. ValueError where it is none, or says NaN or Infinity."""
    try:
        return _loads(text)
    except ValueError as error:
        quoted = within_limits(text.replace("'", '"'))  # as Python prints lists, and some packs pass them on
        try:
            return _loads(quoted)
        except ValueError:
            raise ValueError(f"arrows: not JSON: {error}") from None


def _loads(text: str) -> Any:
    return json.loads(text.strip(SPACE), parse_constant=_no_number, parse_int=_whole)


def _no_number(token: str) -> None:
    raise ValueError(f"{token} is no number of JSON")


def _whole(digits: str) -> int | float:
    return int(digits) if len(digits) < 400 else float(digits)  # Python reads 4,300 digits at most


def number(value: object, where: str) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        if abs(value) <= LARGEST:  # not so for NaN
            return float(value)
    raise ValueError(f"{where} = {short(value)}, allowed a finite number, at most {LARGEST:g}")


def are_whole(values: object) -> TypeGuard[list[float]]:
    """As JSON has whole numbers, 2.0 among them."""
    return isinstance(values, list) and all(
        type(value) in (int, float) and 0 <= value < 1e16 and value == int(value) for value in values
    )


def short(value: object) -> str:
    """The value for an error message, 60 characters at most."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
