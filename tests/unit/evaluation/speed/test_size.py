"""Large pictures, sampled small and whole: which pictures, what is measured, what the page says."""

import io
import zipfile
from argparse import Namespace
from dataclasses import replace

import numpy as np
import pytest
import torch

LARGE, MIDDLE, SMALL = "flux_schnell-1", "default-1", "image_flux2-1"  # held-out stills


@pytest.fixture(scope="module")
def size(comfy_base):
    from driftfield.evaluation.speed import size

    return size


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """Wheels as prepare reads them, with pictures of three sizes; red says in which row a pixel is."""
    from PIL import Image

    from driftfield.training.prepare import PACKAGES

    folder = tmp_path_factory.mktemp("wheels")
    for name, version in PACKAGES.items():
        with zipfile.ZipFile(folder / f"{name.replace('-', '_')}-{version}-py3-none-any.whl", "w") as wheel:
            if name.endswith("-image"):
                for still, side in ((LARGE, 1024), (MIDDLE, 520), (SMALL, 400)):
                    pixels = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
                    pixels[..., 0] = np.arange(side)[:, None] // 4
                    data = io.BytesIO()
                    Image.fromarray(pixels).save(data, "png")
                    wheel.writestr(f"{still}.png", data.getvalue())
    return folder


def test_held_out_stills_are_cut_to_the_largest_size_that_they_cover(size, packages):
    found = size.cases(packages)
    assert [(case.name, case.size) for case in found] == [(MIDDLE, (512, 512)), (LARGE, (576, 1024))]
    image = found[1].image()
    assert image.shape == (1, 3, 576, 1024)
    assert image[0, 0, 0, 0] == pytest.approx(224 // 4 / 127.5 - 1, abs=1e-6)  # row 224 of 1024


@pytest.fixture(scope="module")
def measured(size, packages, tmp_path_factory):
    """The built-in model on so small a part of a picture that both ways are the same."""
    folder = tmp_path_factory.mktemp("work")
    (middle, _), threads = size.cases(packages), torch.get_num_threads()
    case, given = replace(middle, size=(128, 128)), {"frames": 2, "steps": 1, "seed": 0}
    rows = {}
    for way in (size.FULL, size.NEAR):
        rows[f"{case.name}, {way}"] = size.measure(case, way, size.frames_file(folder, case, way), given)
    torch.set_num_threads(threads)
    return folder, case, rows


def test_both_ways_are_measured_and_small_pictures_are_the_same(size, measured):
    folder, case, rows = measured
    whole, near = (rows[f"{MIDDLE}, {way}"] for way in (size.FULL, size.NEAR))
    assert whole["sharpness"] == near["sharpness"] and 0 < near["sharpness"][size.WHOLE_FRAME] < 2
    assert near["pixels"][size.WHOLE_FRAME] == 2 * 128 * 128
    assert 0 < near["seconds"] and 0.1 < near["GB"] < 100
    frames = [torch.load(size.frames_file(folder, case, way)) for way in (size.FULL, size.NEAR)]
    assert torch.equal(*frames) and frames[0].shape == (2, 3, 128, 128)
    assert size.strip(folder, case, True).is_file()


def test_the_page_has_both_ways_and_the_bars(size, measured):
    _, case, rows = measured
    held = size.bars(rows, [case])
    assert [bar.value for bar in held[2:]] == [1.0] and held[2].met
    rows[f"{MIDDLE}, {size.LONG}"] = {"seconds": 2.5, "GB": 1.0}
    held = size.bars(rows, [case])
    assert held[0].value == 2.5 and not held[0].met
    text = size.page(Namespace(words=["size"], frames=3, full=1), [case], rows, held)
    assert text.count(f"| {MIDDLE}, 128×128 |") == 3 and "FAIL  CPU seconds a frame, the most: 2.500" in text


def test_what_differs_most_is_shown_close(size):
    values = torch.zeros(300, 400)
    values[200:210, 330:340] = 1
    top, left = size.busiest(values)
    assert top <= 200 and top + size.CLOSE >= 210 and left <= 330 and left + size.CLOSE >= 340
