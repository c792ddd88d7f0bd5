"""Pictures to make scenes of."""

import cv2
import numpy as np
import pytest

from driftfield.evaluation.objects.scenes import make_scenes
from driftfield.evaluation.objects.things import material


@pytest.fixture(scope="session")
def pictures():
    """Plain pictures [320, 320, 3] 0..1 with a little texture, for all names of the material."""
    things, backgrounds = material()
    found = {}
    for number, name in enumerate(sorted({*backgrounds, *(thing.still for thing in things.values())})):
        rng = np.random.default_rng(number)
        cells = rng.uniform(-0.06, 0.06, (16, 16, 3)) + rng.uniform(0.2, 0.8, 3)
        found[name] = cv2.resize(cells.astype(np.float32), (320, 320)).clip(0, 1)
    return found


@pytest.fixture(scope="session")
def scenes(pictures):
    things, backgrounds = material()
    return make_scenes(list(things.values()), pictures, backgrounds)
