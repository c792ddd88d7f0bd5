"""How much texture a filled place has, against the background that is known."""

import math

import cv2
import numpy as np
from torch import Tensor

BANDS_PX = (0.0, 1.0, 2.0, 4.0)  # standard deviations between which a band lies
LEAST = 1e-6  # energy of a band, of -1..1 squared


def texture_energy(frame: Tensor, background: Tensor, where: Tensor) -> float:
    """Energy of the bands in `where` over the background's, geometric mean of them: 1 is right, a blur has less.

    frame, background [1, 3, H, W] -1..1; where bool [1, H, W], not empty. NaN where no band of the background has any.
    """
    ratios = []
    for finer, coarser in zip(BANDS_PX, BANDS_PX[1:], strict=False):
        own, true = (_energy(picture, where, finer, coarser) for picture in (frame, background))
        if true > LEAST:
            ratios.append(math.log(max(own, LEAST) / true))
    return math.exp(sum(ratios) / len(ratios)) if ratios else math.nan


def _energy(picture: Tensor, where: Tensor, finer_px: float, coarser_px: float) -> float:
    pixels = picture[0].permute(1, 2, 0).double().numpy()
    band = blurred(pixels, finer_px) - blurred(pixels, coarser_px)
    return float(np.square(band[where[0].numpy()]).mean())


def blurred(pixels: np.ndarray, sigma_px: float) -> np.ndarray:
    """[H, W, C] → the same; 0: as it is."""
    return cv2.GaussianBlur(pixels, (0, 0), sigma_px) if sigma_px else pixels
