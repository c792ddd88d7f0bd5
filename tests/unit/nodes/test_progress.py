"""Progress with pictures, where ComfyUI is set to show them."""

from types import SimpleNamespace

import pytest
import torch


@pytest.mark.parametrize(("method", "shown"), [("NoPreviews", False), ("Auto", True), ("Latent2RGB", True)])
def test_the_preview_method_of_the_server_is_respected(comfy_base, monkeypatch, method, shown):
    import comfy.utils
    from comfy.cli_args import LatentPreviewMethod, args

    from driftfield.nodes.progress import latent_progress

    sent = []
    monkeypatch.setattr(args, "preview_method", LatentPreviewMethod[method])
    monkeypatch.setattr(comfy.utils, "PROGRESS_BAR_HOOK", lambda value, total, preview, **_: sent.append(preview))
    animator = SimpleNamespace(frames=2, preview_factors=[[1.0, 0.0, 0.0]] * 4, preview_bias=[0.0, 0.0, 0.0])
    latent_progress(animator)(0, 3, torch.zeros(2, 4, 8, 8))
    assert [preview is not None for preview in sent] == [shown]
