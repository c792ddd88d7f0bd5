"""A run's weights and state on disk: written whole, read again to go on."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import torch

STATE = "state.pt"


class Stateful(Protocol):
    def state_dict(self) -> dict: ...

    def load_state_dict(self, state: dict) -> None: ...


@dataclass(frozen=True)
class Progress:
    """How far a run has come."""

    step: int
    minutes: float  # since it began,
    trained_minutes: float  # and of them those that count as training


def save_state(folder: Path, parts: dict[str, Stateful], progress: Progress) -> None:
    """What load_state reads: the parts' own states by their names, and how far the run is."""
    states = {name: part.state_dict() for name, part in parts.items()}
    torch.save({**asdict(progress), "parts": states}, folder / STATE)


def load_state(folder: Path, parts: dict[str, Stateful]) -> Progress:
    """Gives the parts their states. Raises ValueError where the folder has none, or that of another kind of run."""
    path = folder / STATE
    if not path.is_file():
        raise ValueError(f"--resume: {path} is missing; to start from weights alone, give --start")
    state = torch.load(path, weights_only=True, map_location="cpu")
    states = state.pop("parts")
    if states.keys() != parts.keys():
        raise ValueError(f"{path}: state of {sorted(states)}, needed {sorted(parts)}")
    for name, part in parts.items():
        part.load_state_dict(states[name])
    return Progress(**state)


@contextmanager
def replacing(out: Path) -> Iterator[Path]:
    """An empty folder to write into; at the end each file and each folder in it takes its place in `out` as a whole.

    Killed before the end, nothing in `out` has changed.
    """
    unfinished, replaced = out / ".unfinished", out / ".replaced"
    for folder in (unfinished, replaced):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    yield unfinished
    for item in sorted(unfinished.iterdir()):
        target = out / item.name
        if target.is_dir():  # a folder cannot be renamed over another
            target.rename(replaced / item.name)
        item.replace(target)
    unfinished.rmdir()
    shutil.rmtree(replaced)
