"""How often a frame shows a thing, by template matching."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

LIKE = 0.6  # correlation at which a place counts as the thing
SOLID = 0.25  # of its contrast that it must have there: a thing that shines through has less
APART = 0.5  # of the template's shorter side: nearer places are one


@dataclass(frozen=True)
class Template:
    colours: np.ndarray  # [h, w, 3] about their means, 0 outside the mask
    mask: np.ndarray  # [h, w, 1] of 0 and 1


def template_of(picture: Tensor, alpha: Tensor) -> Template:
    """A thing: what alpha [1, H, W] covers of picture [3, H, W] -1..1."""
    rows, columns = ((alpha[0] > 0.5).any(axis).nonzero()[:, 0] for axis in (1, 0))
    box = (slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1))
    mask = (alpha[0][box] > 0.5).float()[..., None]
    colours = picture[(slice(None), *box)].permute(1, 2, 0).float()
    means = (colours * mask).sum((0, 1)) / mask.sum()
    return Template(((colours - means) * mask).contiguous().numpy(), mask.contiguous().numpy())


def sightings(frame: Tensor, templates: Sequence[Template]) -> int:
    """In how many places of frame [3, H, W] -1..1 a thing is seen that looks like one of the templates.

    A place counts where the pixels under a template's mask correlate with it by LIKE and more, with SOLID and more of
    its contrast, and nothing around correlates better.
    """
    picture = frame.permute(1, 2, 0).contiguous().float().numpy()
    score = np.full(picture.shape[:2], -1.0, np.float32)
    for template in templates:
        found = _correlation(picture, template)
        top, left = (side // 2 for side in template.mask.shape[:2])
        part = score[top : top + found.shape[0], left : left + found.shape[1]]
        np.maximum(part, found, out=part)
    shorter = min(min(template.mask.shape[:2]) for template in templates)
    reach = max(1, round(APART * shorter))
    values = torch.from_numpy(score)[None, None]
    largest = F.max_pool2d(values, 2 * reach + 1, stride=1, padding=reach)
    peaks = ((values == largest) & (values >= LIKE))[0, 0].numpy().astype(np.uint8)
    return int(cv2.connectedComponents(peaks)[0]) - 1


def _correlation(picture: np.ndarray, template: Template) -> np.ndarray:
    """At every place of the template in the picture; -1 where it has too little contrast."""
    pixels, power = float(template.mask.sum()), float((template.colours**2).sum())
    mask = np.repeat(template.mask, 3, axis=2)
    common = cv2.matchTemplate(picture, template.colours, cv2.TM_CCORR)
    squares = cv2.matchTemplate(picture**2, mask, cv2.TM_CCORR)
    sums = [cv2.matchTemplate(np.ascontiguousarray(picture[..., i]), template.mask, cv2.TM_CCORR) for i in range(3)]
    contrast = np.maximum(squares - sum(one**2 for one in sums) / pixels, 1e-6)
    return np.where(common >= SOLID * power, common / np.sqrt(contrast * power), -1).astype(np.float32)
