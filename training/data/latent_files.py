"""Encoded clips kept on disk, for sets that no GPU holds: written once, mapped into memory, read row by row."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from .latents import LatentClips

FIELDS = tuple(LatentClips.__dataclass_fields__)
PART_CLIPS = 256  # in a file
REFERENCES = b"continued beyond the border"  # how they were made: others lie in another folder


class StoredClips:
    """Clips in safetensors files as one set; `take` reads the rows that are asked for, and nothing else."""

    def __init__(self, files: list[Path]):
        self.parts = [LatentClips(**load_file(file)) for file in files]
        self.ends = torch.tensor([len(part) for part in self.parts]).cumsum(0)

    def __len__(self) -> int:
        return int(self.ends[-1]) if len(self.ends) else 0

    def take(self, index: Tensor, device: torch.device) -> LatentClips:
        """The clips of these numbers, on the device."""
        rows = []
        for i in index.tolist():
            part = int(torch.searchsorted(self.ends, i, right=True))
            start = int(self.ends[part - 1]) if part else 0
            rows.append([getattr(self.parts[part], name)[i - start] for name in FIELDS])
        return LatentClips(*(torch.stack(values).to(device) for values in zip(*rows, strict=True)))


def store(folder: Path, parts: Iterable[LatentClips], process: int) -> None:
    """Writes what one process has encoded; its name in the files keeps it from the others'."""
    folder.mkdir(parents=True, exist_ok=True)
    waiting, number = [], 0

    def write() -> None:
        nonlocal number
        tensors = {name: torch.cat([getattr(part, name).cpu() for part in waiting]).contiguous() for name in FIELDS}
        save_file(tensors, folder / f"part-{process:03}-{number:05}.safetensors")
        number += 1
        waiting.clear()

    for part in parts:
        waiting.append(part)
        if sum(map(len, waiting)) >= PART_CLIPS:
            write()
    if waiting:
        write()


def fingerprint(data: Path, vae: torch.nn.Module, *settings, raft: Path | None = None) -> str:
    """What a stored set depends on, as a folder's name: the data's list, encoder's and RAFT's weights, the settings."""
    digest = hashlib.sha256((data / "index.json").read_bytes())
    digest.update(REFERENCES)
    if raft is not None:
        digest.update(raft.read_bytes())
    for value in vae.quant_conv.parameters():
        digest.update(value.detach().float().cpu().numpy().tobytes())
    digest.update(repr(settings).encode())
    return digest.hexdigest()[:16]
