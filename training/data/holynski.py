"""Motion fields of Holynski et al.'s set (Animating Pictures with Eulerian Motion Fields, CVPR 2021).

`ID_motion.pth` is an LZ4 frame around a pickled NumPy array [1, 2, H, W], x then y, px/frame: one field for all of the
video `ID_gt.mp4`. A tensor that torch.save wrote is read too. Neither can run code: only arrays and tensors are built.
"""

import io
import math
import pickle
from pathlib import Path

import cv2
import torch
from torch import Tensor

from ...flow_tools.convention import check_flow, resize_flow
from ...flow_tools.flo import write_flo
from .clip_filters import square
from .video_files import Target, read_video, write_clip

SUFFIX = "_motion.pth"
HELD_OUT = {"validation", "val", "test"}  # names of folders
LZ4_MAGIC = b"\x04\x22\x4d\x18"
ALLOWED = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy.core.numeric", "_frombuffer"),
    ("numpy._core.numeric", "_frombuffer"),
    ("_codecs", "encode"),
}


class ArrayUnpickler(pickle.Unpickler):
    """Unpickles NumPy arrays and nothing else."""

    def find_class(self, module: str, name: str):
        if (module, name) not in ALLOWED:
            raise ValueError(f"names {module}.{name}, allowed: a NumPy array alone")
        return super().find_class(module, name)


def read_motion(path: Path) -> Tensor:
    """The field [1, 2, H, W] px/frame. Raises ValueError naming the file where it is no finite field."""
    import lz4.frame  # of the training extra, for this alone

    data = path.read_bytes()
    try:
        if data.startswith(LZ4_MAGIC):
            value = torch.from_numpy(ArrayUnpickler(io.BytesIO(lz4.frame.decompress(data))).load())
        else:
            value = torch.load(io.BytesIO(data), weights_only=True, map_location="cpu")
    except Exception as error:  # whatever a damaged file makes of LZ4, pickle or torch
        raise ValueError(f"{path}: not a motion field ({error})") from error
    check_flow(value, str(path))
    if len(value) != 1:
        raise ValueError(f"{path}: got {len(value)} fields, allowed 1 for the whole video")
    return value.float()


def crop_motion(flow: Tensor, size: int) -> Tensor:
    """The centre square of a field [1, 2, H, W] on a grid of size × size, in px/frame there."""
    side = min(flow.shape[-2:])
    top, left = ((extent - side) // 2 for extent in flow.shape[-2:])
    return resize_flow(flow[..., top : top + side, left : left + side], size, size)


def pack_field(job: tuple[Path, str, Target]) -> list[dict]:
    """One field of Holynski's set with its video, the centre square of both, by a name. Runs in a worker process."""
    field, name, target = job
    cv2.setNumThreads(1)
    video = field.with_name(field.name.removesuffix(SUFFIX) + "_gt.mp4")
    if not video.is_file():
        raise ValueError(f"{field}: {video.name} is missing beside it")
    flow = read_motion(field)
    frames, fps = next(read_video(video, target.size, max_fps=math.inf))
    shapes = [frames[0].shape[:2], tuple(flow.shape[-2:])]
    if abs(shapes[0][1] / shapes[0][0] - shapes[1][1] / shapes[1][0]) > 0.02:
        raise ValueError(f"{field}: height and width {shapes[1]}, but the video has {shapes[0]}: another aspect")
    frames = square(frames, (0, shapes[0][0], 0, shapes[0][1]), target.size)
    flow = crop_motion(flow, target.size)
    write_flo(target.out / "fields" / f"{name}.flo", flow)
    write_clip(target.out / "clips" / f"{name}.mp4", frames, fps, target.crf)
    return [
        {
            "name": name,
            "kind": "clip",
            "package": "holynski",
            "file": video.name,
            "frames": len(frames),
            "fps": round(fps, 2),
            "mean_motion_px": round(float(flow.norm(dim=1).mean()) * 256 / target.size, 3),
            "static_camera": True,
            "split": "held_out" if field.parent.name in HELD_OUT else "train",
        }
    ]
