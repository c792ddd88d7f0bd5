"""Looking at flow: the Middlebury colour wheel, and arrows drawn over an image."""

import math

import cv2
import numpy as np
import torch
from torch import Tensor

from .arrows import MotionArrows
from .convention import check_flow, resize_flow

# Baker et al., "A Database and Evaluation Methodology for Optical Flow" (IJCV 2011): how many hues lie between red
# (right), yellow (down), green, cyan (left), blue, magenta (up) and red again.
HUE_STEPS = (15, 6, 4, 11, 13, 6)
HUES = ((1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 1, 1), (0, 0, 1), (1, 0, 1), (1, 0, 0))


def flow_to_color(flow: Tensor, *, max_px: float | None = None) -> Tensor:
    """Flow [N, 2, H, W] px/frame -> [N, 3, H, W] 0..1: hue is the direction, white is still, full colour `max_px`.

    One scale holds for all N: `max_px`, or else the largest length in `flow`. Longer vectors are darkened.
    """
    check_flow(flow)
    if max_px is not None and not max_px > 0:
        raise ValueError(f"max_px: got {max_px}, allowed a number > 0")
    flow = flow.float()
    length = flow.norm(dim=1, keepdim=True)
    largest = float(length.max()) if max_px is None else max_px
    radius = length / largest if largest > 0 else length
    turn = torch.remainder(torch.atan2(flow[:, 1], flow[:, 0]) / (2 * math.pi), 1)  # 0 right, 1/4 down
    wheel = _wheel().to(flow.device)
    position = turn * (len(wheel) - 1)
    index = position.floor().long()
    hue = torch.lerp(wheel[index], wheel[(index + 1) % len(wheel)], (position - index)[..., None])
    hue = hue.permute(0, 3, 1, 2)
    return torch.where(radius <= 1, 1 - radius * (1 - hue), hue * 0.75)


def draw_arrows(image: Tensor, arrows: MotionArrows) -> Tensor:
    """The image [3, H, W] or [1, 3, H, W] 0..1 with its arrows, numbered, as a new [3, H, W] 0..1.

    Blue is a weak arrow, green strength 1, red 2 or more; pins are dots.
    """
    canvas = _to_canvas(image)
    height, width = canvas.shape[:2]
    thickness = max(1, round(max(height, width) / 256))
    for number, arrow in enumerate(arrows.arrows, start=1):
        path = np.asarray(arrow.points) * (width, height)
        color = _strength_color(arrow.strength)
        if len(path) == 1:
            _dot(canvas, path[0], 3 * thickness, (235, 235, 235), thickness)
        else:
            _arrow(canvas, path, color, thickness, head_px=7 * thickness)
        _label(canvas, str(number), path[0], thickness)
    return _from_canvas(canvas)


def draw_flow(image: Tensor, flow: Tensor, *, spacing: int) -> Tensor:
    """The image [3, H, W] or [1, 3, H, W] 0..1 with little arrows of `flow` [1, 2, h, w] every `spacing` px, [3, H, W].

    The longest is one spacing long; still places get none. Colours are those of the wheel, at full strength.
    """
    check_flow(flow)
    if spacing < 1 or flow.shape[0] != 1:
        raise ValueError(f"got {flow.shape[0]} fields and spacing {spacing}, allowed 1 field and 1 px or more")
    canvas = _to_canvas(image)
    height, width = canvas.shape[:2]
    on_canvas = resize_flow(flow.detach().float().cpu(), height, width)
    directions = on_canvas / on_canvas.norm(dim=1, keepdim=True).clamp_min(1e-12)
    colors = (flow_to_color(directions, max_px=1.001)[0] * 255).round().byte().permute(1, 2, 0).numpy()
    vectors = on_canvas[0].permute(1, 2, 0).numpy()
    longest = float(np.linalg.norm(vectors, axis=-1).max())
    for y in range(spacing // 2, height, spacing):
        for x in range(spacing // 2, width, spacing):
            step = vectors[y, x] * (spacing / longest if longest else 0)
            if np.hypot(*step) >= 1:
                path = np.array([(x, y), (x, y) + step])
                _arrow(canvas, path, tuple(map(int, colors[y, x])), 2, head_px=min(spacing / 3, np.hypot(*step) / 2))
    return _from_canvas(canvas)


def _wheel() -> Tensor:
    """[55, 3]: the hues, each run of them ending one step before the next colour."""
    fractions = [torch.arange(steps)[:, None] / steps for steps in HUE_STEPS]
    corners = torch.tensor(HUES, dtype=torch.float32)
    return torch.cat([torch.lerp(corners[i], corners[i + 1], fraction) for i, fraction in enumerate(fractions)])


def _to_canvas(image: Tensor) -> np.ndarray:
    """[H, W, 3] uint8, a copy."""
    single = image[0] if image.ndim == 4 and image.shape[0] == 1 else image
    if single.ndim != 3 or single.shape[0] != 3:
        raise ValueError(f"image: got {list(image.shape)}, allowed [3, H, W] or [1, 3, H, W]")
    pixels = (single.detach().float().cpu().clamp(0, 1) * 255).round().byte()
    return pixels.permute(1, 2, 0).numpy().copy(order="C")  # strides that OpenCV takes even where a side is one pixel


def _from_canvas(canvas: np.ndarray) -> Tensor:
    return torch.from_numpy(canvas).permute(2, 0, 1).float() / 255


def _strength_color(strength: float) -> tuple[int, int, int]:
    position = min(strength, 2.0)
    weak, one, strong = np.array([60, 130, 255]), np.array([60, 220, 90]), np.array([255, 70, 50])
    mixed = weak + (one - weak) * position if position <= 1 else one + (strong - one) * (position - 1)
    red, green, blue = (int(round(c)) for c in mixed)
    return red, green, blue


SHIFT = 4  # OpenCV draws on a grid of 1/16 px
OUTLINE = (20, 20, 20)


def _fixed(points: np.ndarray) -> np.ndarray:
    return np.round(np.asarray(points) * (1 << SHIFT)).astype(np.int32)


def _arrow(canvas: np.ndarray, path: np.ndarray, color: tuple, thickness: int, *, head_px: float) -> None:
    """A polyline with an outline and two barbs at its end, along the last segment that has a length."""
    back = path[-1] - path
    far = np.flatnonzero(np.hypot(back[:, 0], back[:, 1]) > 1e-6)
    lines = [path]
    if len(far):
        direction = back[far[-1]] / np.hypot(*back[far[-1]])
        for angle in (math.radians(150), math.radians(-150)):
            c, s = math.cos(angle), math.sin(angle)
            barb = head_px * np.array([c * direction[0] - s * direction[1], s * direction[0] + c * direction[1]])
            lines.append(np.array([path[-1], path[-1] + barb]))
    for ink, width in ((OUTLINE, thickness + 2), (color, thickness)):
        cv2.polylines(canvas, [_fixed(line) for line in lines], False, ink, width, cv2.LINE_AA, SHIFT)


def _dot(canvas: np.ndarray, at: np.ndarray, radius: int, color: tuple[int, int, int], thickness: int) -> None:
    center = tuple(map(int, _fixed(at)))
    cv2.circle(canvas, center, (radius + thickness) << SHIFT, OUTLINE, -1, cv2.LINE_AA, SHIFT)
    cv2.circle(canvas, center, radius << SHIFT, color, -1, cv2.LINE_AA, SHIFT)


def _label(canvas: np.ndarray, text: str, tail: np.ndarray, thickness: int) -> None:
    """The text beside the tail, kept inside the image."""
    scale = 0.4 * max(1.0, thickness * 0.8)
    (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, thickness)
    x = min(max(int(tail[0]) - width - 4 * thickness, 1), max(canvas.shape[1] - width - 1, 1))
    y = min(max(int(tail[1]) - 4 * thickness, height + 1), canvas.shape[0] - 2)
    for ink, weight in ((OUTLINE, thickness + 2), ((255, 255, 255), thickness)):
        cv2.putText(canvas, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, scale, ink, weight, cv2.LINE_AA)
