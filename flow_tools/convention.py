"""The one place for the conventions on optical flow, images and padding.

Optical flow is float32 [N, 2, H, W]: channel 0 is x (right +), channel 1 is y (down +), the displacement from frame k
to k + 1 in pixels per frame on that HxW grid, sampled at frame k's pixels. N = 1 is a static field: it holds for every
step.
"""

import logging
import math

import torch
import torch.nn.functional as F
from torch import Tensor

MAX_MASKS = 64
REFERENCE_SIZE = 512  # the frame size, in px, that the paper's constants and our motion strength refer to


def check_finite(name: str, value: float) -> None:
    """ValueError where it is NaN, which is within any widget's limits, or infinite."""
    if not math.isfinite(value):
        raise ValueError(f"{name}: got {value}, allowed a finite number")


def check_flow(flow: Tensor, name: str = "flow") -> None:
    """Raises ValueError unless `flow` is a finite floating-point [N, 2, H, W] with no empty dimension."""
    if not isinstance(flow, Tensor) or flow.ndim != 4 or flow.shape[1] != 2 or 0 in flow.shape:
        got = list(flow.shape) if isinstance(flow, Tensor) else type(flow).__name__
        raise ValueError(f"{name}: got {got}, allowed a tensor [N, 2, H, W]")
    if not flow.is_floating_point():
        raise ValueError(f"{name}: got {flow.dtype}, allowed a floating-point tensor")
    finite = torch.isfinite(flow)
    if not finite.all():
        raise ValueError(f"{name}: got {int((~finite).sum())} NaN or infinite values, allowed finite ones")


def check_motion(flow: Tensor, name: str = "flow") -> None:
    """As `check_flow`; also ValueError where something moves more than the picture's diagonal from frame to frame."""
    check_flow(flow, name)
    fastest, diagonal = float(flow.norm(dim=1).max()), math.hypot(*flow.shape[-2:])
    if not fastest <= diagonal * (1 + 1e-4):  # what float32 rounds off
        raise ValueError(f"{name}: moves {fastest:.0f} px a frame, allowed at most the diagonal, {diagonal:.0f} px")


def resize_flow(flow: Tensor, height: int, width: int) -> Tensor:
    """Flow [N, 2, H, W] px/frame on another grid: bilinear, values scaled by the width and height ratios."""
    scale = flow.new_tensor([width / flow.shape[-1], height / flow.shape[-2]]).view(1, 2, 1, 1)
    return F.interpolate(flow, size=(height, width), mode="bilinear", align_corners=False) * scale


def flip_flow(flow: Tensor) -> Tensor:
    """The flow [N, 2, H, W] of the horizontally mirrored frames: mirrored, x negated."""
    return flow.flip(-1) * flow.new_tensor([-1.0, 1.0]).view(1, 2, 1, 1)


def image_to_tensor(image: Tensor, name: str = "image") -> Tensor:
    """ComfyUI IMAGE [B, H, W, 1|3|4], 0..1 or uint8 -> float32 [B, 3, H, W] -1..1 in main memory: the door of pictures.

    Grey becomes three equal channels, alpha is composited over black (here and nowhere else). ValueError, with the
    input's name, for other shapes or kinds of numbers, NaN or infinity.
    """
    if not isinstance(image, Tensor) or image.ndim != 4 or image.shape[-1] not in (1, 3, 4) or 0 in image.shape:
        got = list(image.shape) if isinstance(image, Tensor) else type(image).__name__
        raise ValueError(f"{name}: got {got}, allowed [B, H, W, C] with C of 3, 4 (with alpha) or 1 (grey)")
    image = _to_float32(image, name)
    color = image[..., :3] * image[..., 3:] if image.shape[-1] == 4 else image.expand(*image.shape[:3], 3)
    return color.permute(0, 3, 1, 2).contiguous() * 2 - 1


def mask_to_tensor(mask: Tensor, name: str = "mask") -> Tensor:
    """ComfyUI MASK [H, W], [1, H, W] or [1, 1, H, W] -> float32 [1, 1, H, W] 0..1 in main memory: the door of masks.

    What lies outside 0..1 is clamped, and the log says so. ValueError, with the input's name, for several masks, other
    shapes or kinds of numbers, NaN or infinity.
    """
    shape = list(mask.shape) if isinstance(mask, Tensor) else type(mask).__name__
    if not isinstance(mask, Tensor) or mask.ndim not in (2, 3, 4) or 0 in mask.shape:
        raise ValueError(f"{name}: got {shape}, allowed a mask [H, W], [1, H, W] or [1, 1, H, W]")
    if mask.ndim == 4 and mask.shape[1] != 1:
        raise ValueError(f"{name}: got {shape}, allowed one channel, [1, 1, H, W]")
    if mask.ndim > 2 and len(mask) != 1:
        raise ValueError(f"{name}: got a batch of {len(mask)} masks, allowed exactly 1")
    mask = _to_float32(mask, name).reshape(1, 1, *mask.shape[-2:])
    outside = int(((mask < 0) | (mask > 1)).sum())
    if not outside:
        return mask
    low, high = mask.aminmax()
    logging.warning("Driftfield: %s: %d values in %g..%g clamped to 0..1", name, outside, low, high)
    return mask.clamp(0, 1)


def masks_to_tensors(masks: Tensor, name: str = "masks") -> tuple[Tensor, ...]:
    """ComfyUI MASK [K, H, W] or [H, W] -> K masks as `mask_to_tensor` gives them. ValueError for more than 64."""
    if isinstance(masks, Tensor) and masks.ndim == 4 and masks.shape[1] == 1:
        masks = masks[:, 0]
    if not isinstance(masks, Tensor) or masks.ndim != 3:
        return (mask_to_tensor(masks, name),)
    if len(masks) > MAX_MASKS:
        raise ValueError(f"{name}: got {len(masks)} masks, allowed at most {MAX_MASKS}")
    return tuple(mask_to_tensor(mask, f"{name}, mask {i + 1}") for i, mask in enumerate(masks))


def mask_frames(mask: Tensor, name: str = "mask") -> Tensor:
    """ComfyUI MASK [N, H, W], [N, 1, H, W] or [H, W], one for each frame -> float32 [N, H, W] in main memory.

    ValueError, with the input's name, for other shapes or kinds of numbers, NaN or infinity.
    """
    frames = mask[:, 0] if isinstance(mask, Tensor) and mask.ndim == 4 and mask.shape[1] == 1 else mask
    frames = frames[None] if isinstance(frames, Tensor) and frames.ndim == 2 else frames
    if not isinstance(frames, Tensor) or frames.ndim != 3 or 0 in frames.shape:
        got = list(mask.shape) if isinstance(mask, Tensor) else type(mask).__name__
        raise ValueError(f"{name}: got {got}, allowed masks [N, H, W], one for each frame")
    return _to_float32(frames, name)


def _to_float32(values: Tensor, name: str) -> Tensor:
    if values.dtype == torch.uint8:
        return values.to("cpu", torch.float32) / 255
    if not values.is_floating_point() and values.dtype != torch.bool:
        raise ValueError(f"{name}: got numbers of the kind {values.dtype}, allowed floating-point, or uint8")
    values = values.to("cpu", torch.float32)
    bad = int((~values.isfinite()).sum())
    if bad:
        raise ValueError(f"{name}: got {bad} NaN or infinite values, allowed finite ones")
    return values


def tensor_to_image(tensor: Tensor) -> Tensor:
    """[B, 3, H, W] -1..1 -> ComfyUI IMAGE [B, H, W, 3], clamped to 0..1."""
    return ((tensor + 1) / 2).clamp(0, 1).permute(0, 2, 3, 1).contiguous()


def pad_to_multiple(x: Tensor, multiple: int, mode: str = "replicate") -> tuple[Tensor, tuple[int, int, int, int]]:
    """Pads [..., H, W] on both sides until H and W divide by `multiple`.

    `mode` is "replicate" or "reflect" (which repeats its reflection where the image is smaller than the padding).
    Returns the padded tensor and (top, bottom, left, right) for `crop_padding`.
    """
    if mode not in ("replicate", "reflect"):
        raise ValueError(f"padding mode: got {mode!r}, allowed 'replicate' or 'reflect'")
    height, width = x.shape[-2:]
    extra_rows, extra_columns = -height % multiple, -width % multiple
    padding = (extra_rows // 2, extra_rows - extra_rows // 2, extra_columns // 2, extra_columns - extra_columns // 2)
    for dim, before, after in ((-2, *padding[:2]), (-1, *padding[2:])):
        if before or after:
            x = x.index_select(dim, _padded_index(x.shape[dim], before, after, mode).to(x.device))
    return x, padding


def crop_padding(x: Tensor, padding: tuple[int, int, int, int]) -> Tensor:
    """Undoes `pad_to_multiple`: [..., H + top + bottom, W + left + right] -> [..., H, W]."""
    top, bottom, left, right = padding
    return x[..., top : x.shape[-2] - bottom, left : x.shape[-1] - right]


def _padded_index(size: int, before: int, after: int, mode: str) -> Tensor:
    index = torch.arange(-before, size + after)
    if mode == "replicate" or size == 1:
        return index.clamp(0, size - 1)
    period = 2 * (size - 1)
    return (size - 1) - (index % period - (size - 1)).abs()
