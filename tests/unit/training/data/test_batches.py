"""Batches of the animator's training: drawn alike from one seed, in the shares that they are to have."""

from types import SimpleNamespace

import pytest
import torch
from noise import randn
from transformers import CLIPImageProcessor

from driftfield.training.data.batches import MODE_FRACTIONS, STILL_FRACTION, draw_batch
from driftfield.training.data.latents import LatentClips

FRAMES, CHANNELS = 5, 4
OPTIONS = SimpleNamespace(log_sigma_mean=0.3, log_sigma_std=1.2)
PROCESSOR = CLIPImageProcessor(size={"shortest_edge": 224}, crop_size=224)


def test_batches_are_drawn_alike_from_one_seed():
    clips = LatentClips(
        latents=randn(6, FRAMES, CHANNELS, 8, 8).half(),
        warped=randn(6, FRAMES, CHANNELS, 8, 8, seed=1).half(),
        flow=torch.ones(6, FRAMES - 1, 2, 32, 32).half(),
        images=torch.zeros(6, 3, 64, 64, dtype=torch.uint8),
        strength_percent=torch.arange(1.0, 7.0),
    )
    options = SimpleNamespace(**{**vars(OPTIONS), "batch": 300})
    state = torch.get_rng_state()
    first, second = (draw_batch(clips, options, torch.Generator().manual_seed(1), PROCESSOR) for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert torch.equal(torch.get_rng_state(), state)
    still = first["strength"] == 0
    assert still.float().mean() == pytest.approx(STILL_FRACTION, abs=0.05)
    assert first["flow"].shape[-2:] == (64, 64) and (first["flow"][~still] == 2).all()
    assert (first["flow"][still] == 0).all()
    rows = first["strength"][~still].long() - 1
    assert torch.equal(first["latents"][~still], clips.latents[rows].float())
    assert torch.equal(first["warped"][~still], clips.warped[rows].float())
    for name in ("latents", "warped"):
        assert torch.equal(first[name][still], first["latents"][still][:, :1].expand_as(first[name][still]))
    mode_fractions = torch.bincount(first["mode"], minlength=4) / 300
    torch.testing.assert_close(mode_fractions, torch.tensor(MODE_FRACTIONS), atol=0.07, rtol=0)
    assert first["log_sigma"].mean() == pytest.approx(0.3, abs=0.2)
    assert first["log_sigma"].std() == pytest.approx(1.2, abs=0.2)
    assert first["augmentation"].min() == 0 and 0.09 < first["augmentation"].max() <= 0.1


def test_processes_share_the_batch_of_one():
    """From the same seed and clips, what two processes draw is what one draws of twice the size."""
    clips = LatentClips(
        latents=randn(6, FRAMES, CHANNELS, 8, 8).half(),
        warped=randn(6, FRAMES, CHANNELS, 8, 8, seed=1).half(),
        flow=randn(6, FRAMES - 1, 2, 16, 16, seed=2).half(),
        images=torch.arange(6, dtype=torch.uint8).view(6, 1, 1, 1).expand(6, 3, 64, 64).contiguous(),
        strength_percent=torch.arange(1.0, 7.0),
    )

    def draw(batch: int, **which):
        options = SimpleNamespace(**{**vars(OPTIONS), "batch": batch})
        return draw_batch(clips, options, torch.Generator().manual_seed(3), PROCESSOR, **which)

    whole, parts = draw(8), [draw(4, process=i, processes=2) for i in range(2)]
    for name, value in whole.items():
        assert torch.equal(value, torch.cat([part[name] for part in parts])), name
    assert whole["flow"].shape[-2:] == (64, 64)
