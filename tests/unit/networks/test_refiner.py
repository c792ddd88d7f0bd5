"""The flow refiner: any size, a correction that starts at nothing, the paper's size, the discriminator."""

import dataclasses

import pytest
import torch
from tiny import seeded

from driftfield.networks.refiner import FlowRefiner, PatchDiscriminator, RefinerConfig

SMALL = RefinerConfig(base_channels=4, max_channels=8, levels=5)


def randn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def refiner():
    return seeded(lambda: FlowRefiner(SMALL), 0)


@pytest.mark.parametrize("size", [(32, 32), (64, 96), (17, 23), (2, 2), (2, 70), (65, 33)])
def test_any_size_and_an_untrained_one_changes_little(refiner, size):
    flow, image = 3 * randn(2, 2, *size), randn(2, 3, *size, seed=1).clamp(-1, 1)
    before = flow.clone()
    refined = refiner(flow, image)
    assert refined.shape == flow.shape and refined.isfinite().all()
    assert torch.equal(flow, before)
    assert 0 < (refined - flow).abs().max() < 0.1  # px/frame


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1)])
def test_a_side_of_one_pixel_is_refused(refiner, size):
    with pytest.raises(ValueError, match=f"got a field of {size[0]}×{size[1]} px, allowed sides of 2"):
        refiner(torch.zeros(1, 2, *size), torch.zeros(1, 3, *size))


def test_the_image_is_wanted_or_not(refiner):
    flow, image = torch.zeros(1, 2, 32, 32), torch.zeros(1, 3, 32, 32)
    with pytest.raises(ValueError, match="got no image, this refiner wants an image"):
        refiner(flow)
    blind = seeded(lambda: FlowRefiner(dataclasses.replace(SMALL, image_conditioned=False)), 0)
    assert blind(flow).shape == flow.shape
    with pytest.raises(ValueError, match="got an image, this refiner wants no image"):
        blind(flow, image)


def test_the_papers_size():
    """pix2pix's U-Net generator at 256² has 54.4 million parameters."""
    with torch.device("meta"):
        count = sum(p.numel() for p in FlowRefiner(RefinerConfig(image_conditioned=False)).parameters())
    assert count == pytest.approx(54.4e6, rel=0.01)


def test_all_parameters_learn():
    refiner = FlowRefiner(SMALL).requires_grad_(True)
    refiner(randn(2, 2, 64, 64), randn(2, 3, 64, 64, seed=1)).square().mean().backward()
    assert [name for name, p in refiner.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_the_discriminator_judges_patches():
    critic = seeded(lambda: PatchDiscriminator(SMALL), 0)
    condition, flow = randn(1, 5, 256, 256), randn(1, 2, 256, 256, seed=1)
    logits = critic(condition, flow)
    assert logits.shape == (1, 1, 30, 30)
    # One logit sees 70×70 pixels: a gradient from it reaches no others (but for the norms, hence without them).
    for module in critic.modules():
        if isinstance(module, torch.nn.Sequential):
            bare = torch.nn.Sequential(*(m for m in module if not isinstance(m, torch.nn.InstanceNorm2d)))
    x = torch.cat([condition, flow], dim=1).requires_grad_(True)
    bare(x)[0, 0, 15, 15].backward()
    rows = x.grad.abs().sum(dim=(0, 1, 3)).nonzero()
    assert rows.max() - rows.min() + 1 == 70


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(refiner, dtype):
    flow, image = 3 * randn(1, 2, 40, 33), randn(1, 3, 40, 33, seed=1)
    half = seeded(lambda: FlowRefiner(SMALL), 0).to(dtype)
    refined = half(flow, image)
    assert refined.dtype == torch.float32  # as the flow's
    torch.testing.assert_close(refined, refiner(flow, image), atol=0.02, rtol=0)
    critic = seeded(lambda: PatchDiscriminator(SMALL), 0).to(dtype)
    assert critic(randn(1, 5, 64, 64).to(dtype), flow.new_zeros(1, 2, 64, 64).to(dtype)).isfinite().all()


def test_config_round_trip():
    assert RefinerConfig.from_dict(SMALL.to_dict()) == SMALL
    with pytest.raises(ValueError, match="depth.*allowed fields"):
        RefinerConfig.from_dict({"depth": 3})
