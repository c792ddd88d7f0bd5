"""Moving images along optical flow, and composing flow over time.

Displacements are in px on the HxW grid, [..., 2, H, W], x right, y down. Everything runs on the tensors' device, keeps
gradients, and samples bilinearly with the border repeated outside; a still is continued beyond its border (beyond.py).
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from .beyond import Margin, continued, margin_of

INVERSION_STEPS = 8  # of the fixed point q = p - F(q); each shrinks the error by the field's slope (px per px)
COVERED = 0.25  # a pixel less covered than this by splatted pixels is a hole; holds up to a twofold enlargement


def backward_warp(
    image: Tensor,
    displacement: Tensor,
    margin: Margin = (0, 0, 0, 0),
    *,
    mode: str = "bilinear",
    outside: str = "border",
) -> Tensor:
    """Samples `image` [B, C, H, W] at p + displacement(p), [B, 2, H, W] px -> [B, C, H, W]. B = 1 images broadcast.

    With a margin the image has so many px more than the displacement: top, bottom, left, right. mode, outside:
    grid_sample's mode and padding_mode.
    """
    top, _, left, _ = margin
    displacement = displacement.float()
    x = torch.arange(displacement.shape[-1], device=displacement.device) + left + displacement[:, 0]
    y = torch.arange(displacement.shape[-2], device=displacement.device)[:, None] + top + displacement[:, 1]
    height, width = image.shape[-2:]
    grid = torch.stack([(2 * x + 1) / width - 1, (2 * y + 1) / height - 1], dim=-1)
    source = image.expand(displacement.shape[0], -1, -1, -1).float()
    warped = F.grid_sample(source, grid, mode=mode, padding_mode=outside, align_corners=False)
    return warped.to(image.dtype)


def accumulate_forward(flow: Tensor, frames: int) -> Tensor:
    """Where the particle at p of frame 0 is at frame t, minus p: [frames, 2, H, W] px; [0] is zero.

    `flow` is [N, 2, H, W] px/frame with N = 1 (static) or frames - 1. A batch [B, N, 2, H, W] gives
    [B, frames, 2, H, W]. D_{t+1}(p) = D_t(p) + F_t(p + D_t(p)).
    """
    steps = _steps(flow, frames)
    total = torch.zeros_like(steps[0])
    displacements = [total]
    for step in steps:
        total = total + backward_warp(step, total)  # eq. 3
        displacements.append(total)
    return _stack(displacements, flow)


def accumulate_backward(flow: Tensor, frames: int) -> Tensor:
    """Where in frame 0 pixel p of frame t came from, minus p: [frames, 2, H, W] px; [0] is zero.

    Shapes as in `accumulate_forward`. One step is inverted by the fixed point q = p - F_t(q). A static field is traced
    back from each pixel, so that no accumulated map is ever resampled; else B_{t+1}(p) = (q - p) + B_t(q).
    """
    steps = _steps(flow, frames)
    total = torch.zeros_like(steps[0])
    displacements = [total]
    static = flow.shape[-4] == 1
    for step in steps:
        if static:
            total = _step_back(step, total)
        else:
            back = _step_back(step, torch.zeros_like(total))
            total = back + backward_warp(total, back)
        displacements.append(total)
    return _stack(displacements, flow)


def forward_splat(image: Tensor, displacement: Tensor) -> tuple[Tensor, Tensor]:
    """Forward-warps `image` [1, C, H, W] by displacement [T, 2, H, W] px -> (warped [T, C, H, W], holes).

    Bilinear splatting; where several pixels land, the ones that moved farther cover the others, softly (softmax
    splatting, Niklaus & Liu, CVPR 2020, with the distance moved as importance). holes [T, 1, H, W] is 1 where nothing
    landed, and there the warped image is 0. On a GPU the order of additions, hence the last bit, varies.
    """
    _, channels, height, width = image.shape
    colors = image[0].float().reshape(channels, -1)
    column = torch.arange(width, device=image.device)
    row = torch.arange(height, device=image.device)[:, None]
    warped, holes = [], []
    for field in displacement.float():
        x, y = (column + field[0]).reshape(-1), (row + field[1]).reshape(-1)
        importance = torch.exp(60 * (1 - torch.exp(-field.norm(dim=0) / 20))).reshape(-1)
        values = torch.cat([colors * importance, importance[None], torch.ones_like(importance)[None]])
        sums = values.new_zeros(channels + 2, height * width)
        for right in (0, 1):
            for below in (0, 1):
                i, j = x.floor() + right, y.floor() + below
                weight = (1 - (x - i).abs()) * (1 - (y - j).abs())
                weight = weight * ((i >= 0) & (i < width) & (j >= 0) & (j < height))
                index = j.clamp(0, height - 1).long() * width + i.clamp(0, width - 1).long()
                sums = sums.scatter_add(1, index.expand_as(sums), values * weight)
        hole = sums[-1] < COVERED
        color = sums[:channels] / sums[channels].where(~hole, 1)
        warped.append(color.where(~hole, 0).view(channels, height, width))
        holes.append(hole.view(1, height, width))
    return torch.stack(warped).to(image.dtype), torch.stack(holes).to(image.dtype)


def reference_video(
    image: Tensor, flow: Tensor, frames: int, *, loop: bool = False, hole: Tensor | None = None
) -> Tensor:
    """`image` [1, C, H, W] backward-warped along `flow` [N, 2, H, W] px/frame -> [frames, C, H, W]; frame 0 is it.

    What comes in over the border is the image continued, without what is in the hole [1, 1, H, W] (see beyond.py).
    With `loop` frame t is (1 - t/L) * warp(t steps forward) + (t/L) * warp(L - t steps backward), L = frames, the
    symmetric blend of Holynski et al. (CVPR 2021): frame L would be frame 0 again. A flow of N = L - 1 repeats its last
    step for the way from the last frame back to the first.
    """
    ways = _ways(flow, frames, loop)
    margin = margin_of(torch.cat(ways))
    video = _blend(continued(image, margin, hole), ways, margin)
    return torch.cat([image, video[1:]])


def mask_video(mask: Tensor, flow: Tensor, frames: int, *, loop: bool = False) -> Tensor:
    """As `reference_video`, of a mask: what comes in over the border is what is there."""
    return _blend(mask, _ways(flow, frames, loop), (0, 0, 0, 0))


def _ways(flow: Tensor, frames: int, loop: bool) -> list[Tensor]:
    """Displacements [frames, 2, H, W] to where each frame comes from, and with `loop` to where it still goes."""
    back = accumulate_backward(flow, frames)
    if not loop:
        return [back]
    if flow.shape[0] == 1:
        return [back, accumulate_forward(flow, frames + 1)[1:].flip(0)]
    return [back, _displacement_to_end(torch.cat([flow, flow[-1:]]))]


def _blend(image: Tensor, ways: list[Tensor], margin: Margin) -> Tensor:
    """[frames, C, H, W] of the image, or of one with a margin round it, moved along one way or blended along both."""
    warped = [backward_warp(image, way, margin) for way in ways]
    if len(ways) == 1:
        return warped[0]
    frames = len(warped[0])
    weight = torch.arange(frames, device=image.device, dtype=torch.float32).view(-1, 1, 1, 1) / frames
    return ((1 - weight) * warped[0] + weight * warped[1]).to(image.dtype)


def _displacement_to_end(flow: Tensor) -> Tensor:
    """[N, 2, H, W]: how far the particle at p of frame t still travels until frame N."""
    total = torch.zeros_like(flow[:1])
    displacements = []
    for step in flow.flip(0).split(1):
        total = step + backward_warp(total, step)
        displacements.append(total)
    return torch.cat(displacements[::-1])


def _step_back(step: Tensor, displacement: Tensor) -> Tensor:
    """Displacement to the point q one step earlier of what is now at p + displacement: q + F(q) = p + displacement."""
    earlier = displacement - backward_warp(step, displacement)
    for _ in range(INVERSION_STEPS - 1):
        earlier = displacement - backward_warp(step, earlier)
    return earlier


def _steps(flow: Tensor, frames: int) -> list[Tensor]:
    """The field of each step, [B, 2, H, W] (B = 1 where `flow` is not a batch)."""
    count = flow.shape[-4] if flow.ndim in (4, 5) else 0
    if count not in (1, frames - 1) or frames < 2 or flow.shape[-3] != 2:
        allowed = f"[N, 2, H, W] or [B, N, 2, H, W] with N = 1 or {frames - 1}, for 2 or more frames"
        raise ValueError(f"flow for {frames} frames: got {list(flow.shape)}, allowed {allowed}")
    fields = flow.float().reshape(-1, *flow.shape[-4:]).unbind(1)
    return list(fields) if len(fields) == frames - 1 else list(fields) * (frames - 1)


def _stack(displacements: list[Tensor], flow: Tensor) -> Tensor:
    stacked = torch.stack(displacements, dim=1)
    return stacked[0] if flow.ndim == 4 else stacked
