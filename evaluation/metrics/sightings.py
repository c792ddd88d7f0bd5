"""How often a frame shows a thing, by template matching."""

from collections.abc import Sequence

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

LIKE = 0.7  # correlation at which a place counts as the thing
APART = 0.5  # of the template's shorter side: nearer places are one


def template_of(picture: Tensor, alpha: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """(colours [h, w, 3], weights [h, w, 3]) of a thing: what alpha [1, H, W] covers of picture [3, H, W] -1..1."""
    rows, columns = ((alpha[0] > 0.5).any(axis).nonzero()[:, 0] for axis in (1, 0))
    box = (slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1))
    weight = (alpha[0][box] > 0.5).float()[..., None].expand(-1, -1, 3)
    return picture[(slice(None), *box)].permute(1, 2, 0).float().numpy(), weight.contiguous().numpy()


def sightings(frame: Tensor, templates: Sequence[tuple[np.ndarray, np.ndarray]]) -> int:
    """In how many places of frame [3, H, W] -1..1 a thing is seen that looks like one of the templates.

    A place counts where the correlation of the pixels under the template's mask with it is LIKE or more and the largest
    around. A thing that shines through half correlates as much as a solid one on an even ground.
    """
    picture = frame.permute(1, 2, 0).contiguous().float().numpy()
    score = np.full(picture.shape[:2], -1.0, np.float32)
    for colours, weight in templates:
        found = cv2.matchTemplate(picture, colours, cv2.TM_CCOEFF_NORMED, mask=weight)
        found[~np.isfinite(found)] = -1
        top, left = (side // 2 for side in weight.shape[:2])
        part = score[top : top + found.shape[0], left : left + found.shape[1]]
        np.maximum(part, found, out=part)
    reach = int(APART * min(min(weight.shape[:2]) for _, weight in templates))
    values = torch.from_numpy(score)[None, None]
    largest = F.max_pool2d(values, 2 * reach + 1, stride=1, padding=reach)
    peaks = ((values == largest) & (values >= LIKE))[0, 0].numpy().astype(np.uint8)
    return int(cv2.connectedComponents(peaks)[0]) - 1
