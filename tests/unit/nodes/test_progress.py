"""Progress with pictures, where ComfyUI is set to show them."""

from types import SimpleNamespace

import pytest
import torch

ANIMATOR = SimpleNamespace(frames=2, preview_factors=[[1.0, 0.0, 0.0]] * 4, preview_bias=[0.0, 0.0, 0.0])


@pytest.fixture
def reported(comfy_base, monkeypatch):
    """What ComfyUI is sent after a step, with this preview method, of a picture of that height and width."""
    import comfy.utils
    from comfy.cli_args import LatentPreviewMethod, args

    from driftfield.nodes.progress import latent_progress
    from driftfield.pipeline.still import prepare_still

    def run(method, height, width, **size):
        sent = []
        monkeypatch.setattr(args, "preview_method", LatentPreviewMethod[method])
        monkeypatch.setattr(comfy.utils, "PROGRESS_BAR_HOOK", lambda value, total, preview, **_: sent.append(preview))
        still = prepare_still(torch.zeros(1, 3, height, width), **size)
        rows, columns = (side // 8 for side in still.sampled)
        latent_progress(ANIMATOR, still)(0, 3, torch.zeros(2, 4, rows, columns))
        return sent

    return run


@pytest.mark.parametrize(("method", "shown"), [("NoPreviews", False), ("Auto", True), ("Latent2RGB", True)])
def test_the_preview_method_of_the_server_is_respected(reported, method, shown):
    assert [preview is not None for preview in reported(method, 64, 64)] == [shown]


def test_the_preview_has_the_pictures_shape(reported):
    for size in ({}, {"longer": 128, "unit": 64}):
        ((_, picture, _),) = reported("Auto", 192, 320, **size)
        assert abs(picture.width / picture.height * 192 / 320 - 1) < 0.05
    assert picture.size != (16, 8)  # which is what the network saw


def test_the_preview_of_a_strip_sampled_small_is_no_thinner_than_a_pixel(reported):
    ((_, picture, _),) = reported("Auto", 8192, 64, longer=256, unit=32)
    assert picture.width == 1
