"""Figures that are kept after each one, and the bars that they are set beside."""

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Bar:
    """A figure and what it is held against."""

    what: str
    value: float
    limit: float
    at_least: bool = True
    strict: bool = False  # more than the limit, or less

    @property
    def met(self) -> bool:
        if self.strict and self.value == self.limit:
            return False
        return self.value >= self.limit if self.at_least else self.value <= self.limit  # NaN meets none

    def __str__(self) -> str:
        sign = (">" if self.at_least else "<") + "=" * (not self.strict)
        return f"{'pass' if self.met else 'FAIL'}  {self.what}: {self.value:.3f}  (bar {sign} {self.limit:g})"


class Results:
    """A JSON file of figures, written after each, so that an interrupted run goes on where it stopped."""

    def __init__(self, file: Path, settings: dict):
        """ValueError where the file holds figures of other settings."""
        self.file, self.content = file, {"settings": settings, "rows": {}}
        if file.is_file():
            self.content = json.loads(file.read_text(encoding="utf-8"))
            if self.content["settings"] != settings:
                raise ValueError(
                    f"{file}: holds figures of {self.content['settings']}, allowed {settings}; choose another --out"
                )

    def fill(
        self, keys: Sequence[str], compute: Callable[[list[str]], Iterable[dict]], words: Callable[[dict], str]
    ) -> dict[str, dict]:
        """The figures of these keys, in words as they come; compute(missing) gives those the file lacks, in order."""
        rows = self.content["rows"]
        missing = [key for key in keys if key not in rows]
        if missing:
            for number, (key, row) in enumerate(zip(missing, compute(missing), strict=True), 1):
                rows[key] = row
                self.write()
                print(f"{number}/{len(missing)} {key}: {words(row)}", flush=True)
        return {key: rows[key] for key in keys}

    def finish(self, figures: dict, bars: Sequence[Bar]) -> None:
        self.content["summary"] = figures
        self.content["bars"] = [{**asdict(bar), "met": bar.met} for bar in bars]
        self.write()

    def write(self) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        part = self.file.with_suffix(".part")
        part.write_text(json.dumps(self.content, indent=1) + "\n", encoding="utf-8")
        part.replace(self.file)


def digest(*files: Path) -> str:
    """Names weights, or a list: the first digits of a hash over these files."""
    total = hashlib.sha256()
    for file in files:
        total.update(file.read_bytes())
    return total.hexdigest()[:12]


def digest_without_lora(folder: Path) -> str:
    """Of the weights in a folder, but for the LoRA, which only its own figures depend on."""
    return digest(*sorted(file for file in folder.rglob("*.safetensors") if file.stem != "camera_lora"))
