"""Middlebury .flo files: magic 202021.25, int32 width and height, float32 x and y interleaved; little-endian."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .convention import check_flow

MAGIC = 202021.25  # the bytes "PIEH"
HEADER = np.dtype([("magic", "<f4"), ("width", "<i4"), ("height", "<i4")])


def read_flo(path: str | Path) -> Tensor:
    """Flow [1, 2, H, W] px/frame. Raises ValueError where the file is not exactly one .flo field of finite values."""
    path = Path(path)
    data = path.read_bytes()
    if len(data) < HEADER.itemsize:
        raise ValueError(f"{path.name}: got {len(data)} bytes, allowed a .flo file of {HEADER.itemsize} or more")
    header = np.frombuffer(data, HEADER, count=1)[0]
    if header["magic"] != np.float32(MAGIC):
        raise ValueError(f"{path.name}: begins with {data[:4]!r}, allowed b'PIEH' of a .flo file")
    width, height = int(header["width"]), int(header["height"])
    expected = HEADER.itemsize + 8 * width * height
    if width < 1 or height < 1 or len(data) != expected:
        raise ValueError(f"{path.name}: got {len(data)} bytes for {width}x{height}, allowed {expected}")
    values = np.frombuffer(data, "<f4", offset=HEADER.itemsize).reshape(1, height, width, 2)
    flow = torch.from_numpy(values.transpose(0, 3, 1, 2).astype(np.float32))
    check_flow(flow, path.name)
    return flow


def write_flo(path: str | Path, flow: Tensor) -> None:
    """Writes one flow [1, 2, H, W] px/frame as float32."""
    check_flow(flow)
    if flow.shape[0] != 1:
        raise ValueError(f"flow: got {flow.shape[0]} fields, allowed 1 in a .flo file")
    header = np.array([(MAGIC, flow.shape[-1], flow.shape[-2])], dtype=HEADER)
    values = flow[0].detach().cpu().permute(1, 2, 0).numpy().astype("<f4")
    Path(path).write_bytes(header.tobytes() + values.tobytes())
