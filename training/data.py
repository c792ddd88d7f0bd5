"""The prepared set in memory: clips and stills as uint8 tensors."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor


def read_clip(path: Path) -> Tensor:
    """All frames of a video file: uint8 [F, 3, H, W] RGB."""
    capture = cv2.VideoCapture(str(path))
    frames = []
    while True:
        ok, frame = capture.read()
        if not ok:
            break
        frames.append(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
    if not frames:
        raise ValueError(f"{path}: no frame could be decoded")
    return torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2).contiguous()


def read_still(path: Path) -> Tensor:
    """uint8 [3, H, W] RGB."""
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise ValueError(f"{path}: not a picture that OpenCV reads")
    return torch.from_numpy(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)).permute(2, 0, 1).contiguous()


def load(folder: Path, kind: str, split: str) -> tuple[list[str], list[Tensor]]:
    """Names and pictures of `kind` ("clips" or "stills") in `split` ("train" or "held_out")."""
    index = json.loads((folder / "index.json").read_text())
    names = [entry["name"] for entry in index[kind] if entry["split"] == split]
    read, suffix = (read_clip, "mp4") if kind == "clips" else (read_still, "webp")
    with ThreadPoolExecutor() as pool:
        return names, list(pool.map(lambda name: read(folder / kind / f"{name}.{suffix}"), names))


def to_unit(pictures: Tensor) -> Tensor:
    """uint8 → float −1..1."""
    return pictures.float() / 127.5 - 1


def estimate_flows(clips: list[Tensor]) -> list[Tensor]:
    """DIS flow between consecutive frames of each clip: [F − 1, 2, H, W] px/frame."""
    from ..flow_tools.estimate import estimate_flow

    cv2.setNumThreads(1)
    with ThreadPoolExecutor() as pool:
        return list(pool.map(lambda clip: estimate_flow(to_unit(clip)), clips))
