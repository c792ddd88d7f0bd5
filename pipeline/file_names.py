"""Names of saved files: their placeholders filled in, and what no file system, or Windows, would take refused."""

import re
from datetime import datetime

FORBIDDEN = re.compile(r'[<>:"|?*\x00-\x1f\x7f]')
# Of Windows, with blanks before an ending too: learn.microsoft.com/windows/win32/fileio/naming-a-file
RESERVED = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³]) *(\..*)?", re.IGNORECASE)
MOST_BYTES = 200  # of one part of a path; file systems take 255, and a counter and an ending come behind it
DATE = re.compile(r"%date(?::([^%]*))?%")
WIDGET = re.compile(r"%([^%.\n]+)\.([^%\n]+)%")
DATE_PARTS = re.compile(r"d{1,2}|M{1,2}|yyyy|yy|h{1,2}|m{1,2}|s{1,2}")


def fill_in(prefix: str, prompt: dict | None, now: datetime) -> str:
    """The prefix with %date:yyyy-MM-dd hh-mm-ss% and %Node.widget% filled in, as ComfyUI's editor does for Save Image.

    prompt: the API form; a node is found by its title, or else its type. ValueError for a node or widget that is not
    there. ComfyUI itself fills in %year%, %width% and the like.
    """

    def date(match: re.Match) -> str:
        values = {"d": now.day, "M": now.month, "h": now.hour, "m": now.minute, "s": now.second}

        def part(found: re.Match) -> str:
            text = found[0]
            if text[0] == "y":
                return str(now.year)[-len(text) :]
            return str(values[text[0]]).zfill(len(text))

        return DATE_PARTS.sub(part, match[1] or "yyyyMMddhhmmss")

    def widget(match: re.Match) -> str:
        name, key = match[1], match[2]
        nodes = list((prompt or {}).values())
        found = [node for node in nodes if (node.get("_meta") or {}).get("title") == name]
        found = found or [node for node in nodes if node.get("class_type") == name]
        if len(found) != 1:
            got = f"{len(found)} nodes" if found else "no node"
            raise ValueError(f"filename_prefix: {match[0]}: {got} of the title or type {name!r}, allowed exactly 1")
        value = found[0]["inputs"].get(key)
        if value is None or isinstance(value, list | dict):
            raise ValueError(f"filename_prefix: {match[0]}: {name!r} has no widget {key!r} with a value of its own")
        return FORBIDDEN.sub("_", str(value)).replace("/", "_").replace("\\", "_")

    return WIDGET.sub(widget, DATE.sub(date, prefix))


def check_prefix(prefix: str) -> None:
    """ValueError unless `prefix` (placeholders or not) names a file below a folder, on every system."""
    named = WIDGET.sub("x", DATE.sub(lambda match: match[1] or "x", prefix)).replace("\\", "/")
    bad = sorted(set(FORBIDDEN.findall(named)))
    if bad:
        got = " ".join(repr(character)[1:-1] for character in bad)
        raise ValueError(
            f'filename_prefix: got {prefix!r} with {got}, allowed without < > : " | ? * and control characters'
        )
    parts = named.split("/")
    if named.startswith("/") or ".." in parts:
        raise ValueError(f"filename_prefix: got {prefix!r}, which lies outside the output folder; allowed inside it")
    if not parts[-1].strip():
        raise ValueError(f"filename_prefix: got {prefix!r}, allowed a name, with subfolders before it or not")
    for part in parts:
        if len(part.encode()) > MOST_BYTES:
            raise ValueError(f"filename_prefix: {part[:40]!r}… has {len(part.encode())} bytes, allowed {MOST_BYTES}")
        if RESERVED.fullmatch(part) or part not in ("", ".") and part[-1] in ". ":
            raise ValueError(f"filename_prefix: got {part!r}, which Windows does not allow as a name; allowed another")
