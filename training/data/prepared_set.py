"""The prepared set, read: clips and stills as uint8 tensors, annotated fields."""

import json
import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from ...flow_tools.flo import read_flo


def read_clip(path: Path, *, frames: float = math.inf) -> Tensor:
    """All frames of a video file, or its first: uint8 [F, 3, H, W] RGB."""
    capture = cv2.VideoCapture(str(path))
    pictures = []
    while len(pictures) < frames:
        ok, picture = capture.read()
        if not ok:
            break
        pictures.append(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))
    if not pictures:
        raise ValueError(f"{path}: no frame could be decoded")
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).contiguous()


def read_still(path: Path) -> Tensor:
    """uint8 [3, H, W] RGB."""
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise ValueError(f"{path}: not a picture that OpenCV reads")
    return torch.from_numpy(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)).permute(2, 0, 1).contiguous()


def list_names(folder: Path, kind: str, split: str) -> list[str]:
    """Names of `kind` ("clips" or "stills") in `split` ("train" or "held_out")."""
    index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    return [entry["name"] for entry in index[kind] if entry["split"] == split]


def read(folder: Path, kind: str, names: list[str]) -> list[Tensor]:
    """The pictures of these names, side by side."""
    read_one, suffix = (read_clip, "mp4") if kind == "clips" else (read_still, "webp")
    with ThreadPoolExecutor() as pool:
        return list(pool.map(lambda name: read_one(folder / kind / f"{name}.{suffix}"), names))


def load(folder: Path, kind: str, split: str) -> tuple[list[str], list[Tensor]]:
    """Names and pictures of `kind` in `split`, all of them."""
    names = list_names(folder, kind, split)
    return names, read(folder, kind, names)


def load_fields(folder: Path, names: list[str]) -> list[Tensor]:
    """The annotated flow [1, 2, H, W] px/frame of each clip, in a set that `prepare holynski` wrote."""
    return [read_flo(folder / "fields" / f"{name}.flo") for name in names]


def to_unit(pictures: Tensor) -> Tensor:
    """uint8 → float −1..1."""
    return pictures.float() / 127.5 - 1
