"""SVD as the start of training: from a folder or a single file, with its spatial layers frozen."""

import pytest
import torch
from diffusers import UNetSpatioTemporalConditionModel
from safetensors.torch import save_file
from tiny import tiny_pipeline, tiny_unet

from driftfield.training.models import svd


def same(first, second) -> bool:
    a, b = first.state_dict(), second.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


@pytest.mark.parametrize("variant", [None, "fp16"])
def test_a_folder(tmp_path, variant):
    pipeline = tiny_pipeline()
    pipeline.save_pretrained(tmp_path, variant=variant)
    parts = svd.load_svd(tmp_path)
    for part, name in zip(parts, ("unet", "vae", "image_encoder"), strict=True):
        assert same(part, getattr(pipeline, name)), name
        assert next(part.parameters()).dtype == torch.float32


def test_what_is_no_svd_is_named(tmp_path):
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet" / "config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ValueError, match="no vae, image_encoder, needed: a diffusers folder"):
        svd.load_svd(tmp_path)
    save_file({"unet.conv_in.lora_A.weight": torch.zeros(1)}, tmp_path / "file.safetensors")
    with pytest.raises(ValueError, match="file.safetensors: this is a LoRA; needed: Stable Video Diffusion's original"):
        svd.load_svd(tmp_path / "file.safetensors")


def test_layers_that_see_one_frame_at_a_time_are_frozen():
    unet = tiny_unet()
    svd.freeze_spatial_layers(unet)
    trained = {name for name, p in unet.named_parameters() if p.requires_grad}
    frozen = {name for name, p in unet.named_parameters() if not p.requires_grad}
    assert all("temporal" in name or "time" in name or "add_embedding" in name for name in trained)
    spatial = ("spatial_res_block", ".transformer_blocks", "conv_in", "conv_out", "conv_norm_out", "samplers", "proj_",
               "attentions.0.norm", "attentions.1.norm")  # fmt: skip
    assert all(any(part in name for part in spatial) for name in frozen)


def test_random_svd_has_svds_size():
    with torch.device("meta"):
        unet = UNetSpatioTemporalConditionModel()
    assert sum(p.numel() for p in unet.parameters()) == 1_524_623_082
    svd.freeze_spatial_layers(unet)
    assert 0.4 < sum(p.numel() for p in unet.parameters() if p.requires_grad) / 1_524_623_082 < 0.6
    with torch.device("meta"):
        unet, clip = svd.random_svd(torch.device("meta"))
    assert sum(p.numel() for p in unet.parameters()) == 1_524_623_082
    assert 630_000_000 < sum(p.numel() for p in clip.parameters()) < 634_000_000
    assert torch.get_default_dtype() == torch.float32
