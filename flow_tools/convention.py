"""The one place for the conventions on optical flow, images and padding.

Optical flow is float32 [N, 2, H, W]: channel 0 is x (right +), channel 1 is y (down +), the displacement from frame k
to k + 1 in pixels per frame on that HxW grid, sampled at frame k's pixels. N = 1 is a static field: it holds for every
step.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

REFERENCE_SIZE = 512  # the frame size, in px, that the paper's constants and our motion strength refer to


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


def resize_flow(flow: Tensor, height: int, width: int) -> Tensor:
    """Flow [N, 2, H, W] px/frame on another grid: bilinear, values scaled by the width and height ratios."""
    scale = flow.new_tensor([width / flow.shape[-1], height / flow.shape[-2]]).view(1, 2, 1, 1)
    return F.interpolate(flow, size=(height, width), mode="bilinear", align_corners=False) * scale


def flip_flow(flow: Tensor) -> Tensor:
    """The flow [N, 2, H, W] of the horizontally mirrored frames: mirrored, x negated."""
    return flow.flip(-1) * flow.new_tensor([-1.0, 1.0]).view(1, 2, 1, 1)


def image_to_tensor(image: Tensor) -> Tensor:
    """ComfyUI IMAGE [B, H, W, 3|4] 0..1 -> [B, 3, H, W] -1..1, alpha composited over black (here and nowhere else)."""
    if image.ndim != 4 or image.shape[-1] not in (3, 4) or 0 in image.shape:
        raise ValueError(f"image: got {list(image.shape)}, allowed [B, H, W, 3] or [B, H, W, 4]")
    color = image[..., :3] * image[..., 3:] if image.shape[-1] == 4 else image
    return color.permute(0, 3, 1, 2).contiguous() * 2 - 1


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
