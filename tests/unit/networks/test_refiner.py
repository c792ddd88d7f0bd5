"""The flow refiner: any size, a correction that starts at nothing, the paper's size, the discriminator."""

import dataclasses

import pytest
import torch
import torch.nn.functional as F
from noise import randn
from tiny import seeded

from driftfield.flow_tools.dense import densify
from driftfield.networks.refiner import (
    FAINT,
    HINT_REACHES,
    FlowRefiner,
    PatchDiscriminator,
    RefinerConfig,
    colour_features,
    hint_features,
)

SMALL = RefinerConfig(base_channels=4, max_channels=8, levels=5)


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


OURS = dataclasses.replace(SMALL, hints=True, gated=True, relative=True)


def hints_at(row: int, column: int, size: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
    """One hint, 2 px/frame to the right."""
    sparse, mask = torch.zeros(1, 2, size, size), torch.zeros(1, 1, size, size)
    sparse[0, 0, row, column], mask[0, 0, row, column] = 2, 1
    return sparse, mask


def test_hints_are_seen_and_not_needed(refiner):
    flow, image = randn(1, 2, 64, 64), randn(1, 3, 64, 64, seed=1)
    ours = seeded(lambda: FlowRefiner(OURS), 0)
    without, here, there = ours(flow, image), ours(flow, image, hints_at(5, 5)), ours(flow, image, hints_at(50, 50))
    assert not torch.equal(without, here) and not torch.equal(here, there)
    none = torch.zeros(1, 2, 64, 64), torch.zeros(1, 1, 64, 64)
    assert torch.equal(without, ours(flow, image, none))
    with pytest.raises(ValueError, match="got hints, this refiner sees none"):
        refiner(flow, image, hints_at(5, 5))


def test_hints_fade_with_their_distance():
    """At D from a lone hint each map is v·w / (w + FAINT), w = exp(−(D / sigma)²)."""
    maps = hint_features(*hints_at(20, 30), 4.0)
    assert maps.shape == (1, 3 * len(HINT_REACHES), 64, 64)
    y, x = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
    for reach, (right, down, near) in zip(HINT_REACHES, maps[0].split(3), strict=True):
        weight = torch.exp(-((y - 20) ** 2 + (x - 30) ** 2) / (reach * 170 * 64 / 512) ** 2)
        torch.testing.assert_close(near, weight / (weight + FAINT), atol=1e-5, rtol=0)
        torch.testing.assert_close(right, near * 0.5, atol=1e-5, rtol=0)
        assert not down.any()
    several = hints_at(20, 30)[1] * 0.01  # the share of a pixel of a curved arrow: as near as any other
    torch.testing.assert_close(hint_features(hints_at(20, 30)[0], several, 4.0), maps)


def test_colours_under_hints_that_move_and_rest():
    """What is coloured as the thing is near 0 in the first map, and far in the second."""
    image = torch.full((1, 3, 64, 64), -0.5)
    image[:, :, 10:30, 10:30] = torch.tensor([0.8, 0.1, -0.9]).view(3, 1, 1)
    sparse, mask = hints_at(20, 20)
    mask[0, 0, 50, 50] = 1  # a pin
    maps = colour_features(image, sparse, mask)
    assert maps.shape == (1, RefinerConfig(hints=True, colours=True).colour_channels, 64, 64)
    moving, near_moving, resting, near_resting = maps[0].split([3, 1, 3, 1])
    assert moving[:, 15, 25].abs().max() < 1e-5 < 0.3 < moving[:, 15, 35].norm()
    assert resting[:, 45, 50].abs().max() < 1e-5 < 0.3 < resting[:, 25, 25].norm()
    assert near_moving.argmax() == 20 * 64 + 20 and near_resting.argmax() == 50 * 64 + 50
    none = colour_features(image, sparse * 0, mask * 0)
    assert not none.any()
    two = colour_features(torch.cat([image, -image]), *(part.expand(2, -1, -1, -1) for part in (sparse, mask)))
    torch.testing.assert_close(two[:1], maps)
    with pytest.raises(ValueError, match="got colours, allowed with hints and image_conditioned"):
        FlowRefiner(dataclasses.replace(SMALL, colours=True))


def test_a_larger_picture_is_seen_at_the_size_of_training():
    config = dataclasses.replace(OURS, colours=True, size=64)
    ours, free = (seeded(lambda c=c: FlowRefiner(c), 0) for c in (config, dataclasses.replace(config, size=0)))
    for refiner in (ours, free):
        refiner.outermost.weight.data *= 100
    hints, large = hints_at(20, 30), hints_at(82, 122, 256)
    flow, dense = (densify(*given) for given in (hints, large))
    image = F.interpolate(randn(1, 3, 8, 8), size=(64, 64), mode="bicubic").clamp(-1, 1)
    refined = ours(flow, image, hints)
    assert torch.equal(refined, free(flow, image, hints))
    fine = F.interpolate(image, size=(256, 256), mode="bicubic").clamp(-1, 1)
    changes = [F.avg_pool2d(net(dense, fine, large) - dense, 4) - (refined - flow) for net in (ours, free)]
    own, others = (change.norm(dim=1).mean() / (refined - flow).norm(dim=1).mean() for change in changes)
    assert own < 0.6 * others
    for size in ((40, 100), (2, 70), (17, 300)):
        assert ours(torch.ones(1, 2, *size), torch.zeros(1, 3, *size)).shape == (1, 2, *size)


def test_a_relative_one_is_as_strong_as_its_field():
    ours = seeded(lambda: FlowRefiner(OURS), 0)
    flow, image, (sparse, mask) = randn(2, 2, 64, 64), randn(2, 3, 64, 64, seed=1), hints_at(20, 30)
    sparse, mask = sparse.expand(2, -1, -1, -1), mask.expand(2, -1, -1, -1)
    many = torch.tensor([3.0, 20.0]).view(2, 1, 1, 1)
    torch.testing.assert_close(
        ours(many * flow, image, (many * sparse, mask)), many * ours(flow, image, (sparse, mask))
    )
    assert not ours(torch.zeros(1, 2, 64, 64), image[:1]).abs().max() > 1e-2


def test_gates_weigh_what_is_given():
    ours = seeded(lambda: FlowRefiner(OURS), 0)
    ours.up[0].weight.data.zero_()
    flow, image = randn(1, 2, 64, 64), randn(1, 3, 64, 64, seed=1)
    assert torch.equal(ours(flow, image), flow)
    ours.up[0].bias.data[2:] = torch.tensor([-1.0, 0.5, 0.25])
    assert ours(flow, image).abs().max() < 1e-6
    hints = hints_at(20, 30)
    near, nearest = hint_features(*hints, 1.0).split(3, dim=1)
    torch.testing.assert_close(ours(flow, image, hints), 0.5 * near[:, :2] + 0.25 * nearest[:, :2], atol=1e-5, rtol=0)


def test_the_papers_size():
    """pix2pix's U-Net generator at 256² has 54.4 million parameters."""
    with torch.device("meta"):
        count = sum(p.numel() for p in FlowRefiner(RefinerConfig(image_conditioned=False)).parameters())
    assert count == pytest.approx(54.4e6, rel=0.01)


@pytest.mark.parametrize("hinted", [False, True])
def test_all_parameters_learn(hinted):
    refiner = FlowRefiner(dataclasses.replace(OURS, colours=True) if hinted else SMALL).requires_grad_(True)
    hints = (randn(2, 2, 64, 64, seed=2), torch.ones(2, 1, 64, 64)) if hinted else None
    refiner(randn(2, 2, 64, 64), randn(2, 3, 64, 64, seed=1), hints).square().mean().backward()
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
    assert RefinerConfig.from_dict(OURS.to_dict()) == OURS
    older = {"image_conditioned": True, "base_channels": 4, "max_channels": 8, "levels": 5, "flow_scale_px": 8.0}
    assert RefinerConfig.from_dict(older) == SMALL
    with pytest.raises(ValueError, match="depth.*allowed fields"):
        RefinerConfig.from_dict({"depth": 3})
