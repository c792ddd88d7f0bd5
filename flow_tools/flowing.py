"""A texture that flows on and on: copies of the still, each moved about its own moment, faded into each other."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from .warp import accumulate_backward, backward_warp

WINDOWS = (5 / 256, 17 / 256)  # of the longer side: they part fine detail from shapes, and shapes from light
MOST_GAIN = 1.6
LONE_SIZE, LONE = 0.3, (0.85, 0.65)  # of the longer side; evenness of the contrast from which, and at which, it is lone
LEAST_CONTRAST = 1 / 127.5  # a grey level
BORDER = 12 / 256  # of the longer side: over which a copy fades towards the picture's border
NOTHING = 1e-4  # of a weight or a variance


def flowing(
    still: Tensor,
    region: Tensor,
    flow: Tensor,
    *,
    resets: int,
    offsets: Tensor | None = None,
    together: float = 0.0,
    on_frame: Callable[[], None] = lambda: None,
) -> Tensor:
    """[L, 3, H, W]: still [1, 3, H, W] −1..1 moved along flow [L, 2, H, W] px/frame, whose last step leads to frame 0.

    `resets` times in a segment each of two copies is the still again, by turns, and fades as cos² about that moment
    (Max & Becker 1995, Neyret 2003). A copy is seen where it shows what lies in region [1, 1, H, W] of the still.
    offsets [2 · resets − 1, 2, H, W] px: moves every copy but the first, so that the still does not show itself again.
    together, 0..1: how much nearer to their mean the copies are moved where things stand alone, which show twice in a
    fade. on_frame is called before each frame. Frame 0 is the still, and frame L would be.
    """
    back = torch.cat([accumulate_backward(step[None], 2)[1:] for step in flow])
    half = len(flow) / resets / 2
    near: list[list[tuple[float, Tensor]]] = [[] for _ in flow]  # of each frame: the copies' weights and displacements
    for number in range(2 * resets + 1):
        for t, displacement in _about(number * half, half, flow, back):
            if offsets is not None and 0 < number < 2 * resets:
                displacement = displacement + offsets[number - 1 :][:1]
            near[t].append((math.cos(math.pi / 2 * (t / half - number)) ** 2, displacement))
    shown = region * _inside(still)
    contrast = contrast_of(still)
    source = torch.cat([still * shown, shown, contrast], dim=1)
    if together > 0:
        nearer = together * lone(contrast, region)
        for copies in near:
            mean = sum(weight * displacement for weight, displacement in copies)
            copies[:] = [(weight, displacement + nearer * (mean - displacement)) for weight, displacement in copies]
    video = [still]
    for copies in near[1:]:
        on_frame()
        video.append(_blended(still, source, copies))
    return torch.cat(video)


def lone(contrast: Tensor, region: Tensor) -> Tensor:
    """[1, 1, H, W] 0..1: how much what stands out in the region is alone there, of a still's `contrast_of`.

    That is where its contrast is uneven: its mean squared over its mean square, around each pixel.
    """
    strength = contrast.sum(1, keepdim=True).sqrt() + LEAST_CONTRAST
    mean, square = (mean_around(power * region, LONE_SIZE) for power in (strength, strength**2))
    evenness = mean**2 / (square * mean_around(region, LONE_SIZE)).clamp(min=1e-12)
    most, least = LONE
    return mean_around(region * ((most - evenness) / (most - least)).clamp(0, 1), LONE_SIZE / 4)


def _about(moment: float, reach: float, flow: Tensor, back: Tensor) -> list[tuple[int, Tensor]]:
    """The frames nearer to a moment than `reach`, and where what is at p in them is at that moment, minus p.

    back: as flow, where p was one frame before the step's end, minus p.
    """
    found = []
    first = math.ceil(moment)
    total = accumulate_backward(flow[first - 1 : first] * (first - moment), 2)[1:] if first > 0 else flow[:1] * 0
    for t in range(first, min(math.ceil(moment + reach), len(flow))):
        if t > first:
            step = back[t - 1 : t]
            total = step + backward_warp(total, step)
        found.append((t, total))
    for t in range(first - 1, max(math.floor(moment - reach), -1), -1):
        step = flow[t : t + 1]
        total = step * (moment - t) if t == first - 1 else step + backward_warp(total, step)
        found.append((t, total))
    return found


def _inside(still: Tensor) -> Tensor:
    """[1, 1, H, W]: 1 in the picture, less near its border, where a copy that has moved on ends."""
    height, width = still.shape[-2:]
    x, y = (torch.arange(side, device=still.device) + 0.5 for side in (width, height))
    nearest = torch.minimum(torch.minimum(x, width - x), torch.minimum(y, height - y)[:, None])
    return (nearest / (BORDER * max(height, width))).clamp(max=1)[None, None]


def _blended(still: Tensor, source: Tensor, copies: list[tuple[float, Tensor]]) -> Tensor:
    """source [1, 6, H, W]: the region's colours times the region, it, and the still's contrast."""
    colours, weights, powers = [], [], []
    for weight, displacement in copies:
        copy = backward_warp(source, displacement, mode="bicubic", outside="zeros")
        covered = copy[:, 3:4]
        colours.append(copy[:, :3] / covered.clamp(min=NOTHING))
        weights.append(weight * covered.clamp(0, 1) ** 2)
        powers.append(copy[:, 4:].clamp(min=0))
    total = sum(weights) + NOTHING
    weights = [weight / total for weight in weights]
    mixed = sum(weight * colour for weight, colour in zip(weights, colours, strict=True))
    rest = 1 - sum(weights)
    mixed = mixed + rest * still
    aim = sum(weight * power for weight, power in zip(weights, powers, strict=True)) + rest * source[:, 4:]
    return with_contrast(mixed, aim).clamp(-1, 1)


def with_contrast(picture: Tensor, aim: Tensor) -> Tensor:
    """picture [1, 3, H, W] with the local contrast aim [1, 2, H, W], see `contrast_of`.

    A mean of unlike pictures has less, and so has one that was sampled between its pixels.
    """
    bands = _bands(picture)
    gains = ((aim + NOTHING) / (_powers(bands) + NOTHING)).sqrt().clamp(1, MOST_GAIN)
    return picture + sum((gain - 1) * band for gain, band in zip(gains.split(1, 1), bands, strict=True))


def _bands(picture: Tensor) -> list[Tensor]:
    """Fine detail, and shapes."""
    fine, coarse = (mean_around(picture, share) for share in WINDOWS)
    return [picture - fine, fine - coarse]


def contrast_of(picture: Tensor) -> Tensor:
    """[1, 2, H, W]: the local variance of the brightness, of its fine detail and of its shapes."""
    return _powers(_bands(picture))


def _powers(bands: list[Tensor]) -> Tensor:
    return mean_around(torch.cat([band.mean(1, keepdim=True) for band in bands], 1).square(), WINDOWS[1])


def mean_around(values: Tensor, share: float) -> Tensor:
    """The mean over a square about each pixel, its side a share of the longer side; of what lies in the picture."""
    half = round(share * max(values.shape[-2:])) // 2
    for dim in (-1, -2):
        size = values.shape[dim]
        at = torch.arange(size, device=values.device)
        count = (at + half + 1).clamp(max=size) - (at - half).clamp(min=0)
        beyond = (half + 1, half) if dim == -1 else (0, 0, half + 1, half)
        sums = F.pad(values, beyond).cumsum(dim, dtype=torch.float64)
        around = sums.narrow(dim, 2 * half + 1, size) - sums.narrow(dim, 0, size)
        values = (around / count.view(-1, *[1] * (-1 - dim))).to(values)
    return values
