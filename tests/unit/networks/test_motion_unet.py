"""MotionUNet: an untrained adapter changes nothing, motion, frames, gradients, configs."""

import dataclasses
import json

import pytest
import torch
from noise import randn
from tiny import EMBEDDING, FRAMES, seeded, tiny_unet

from driftfield.networks.motion_unet import AdapterConfig, MotionAdapter, MotionUNet, fit_frames

SIZE = 64  # px; latents are an eighth


def inputs(batch: int = 2, dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, ...]:
    """sample, timestep, image embedding, added time ids."""
    side = SIZE // 8
    sample, embedding = randn(batch, FRAMES, 8, side, side), randn(batch, 1, EMBEDDING, seed=1)
    ids = torch.tensor([[7.0, 127.0, 0.02]]).expand(batch, -1)
    return sample.to(dtype), torch.linspace(-1, 1, batch), embedding.to(dtype), ids


def make_network(*, trained: bool) -> MotionUNet:
    unet = tiny_unet()
    adapter = seeded(lambda: MotionAdapter(AdapterConfig.for_unet(unet, base_channels=8)), 3)
    if trained:
        for i, linear in enumerate((*adapter.outputs, adapter.strength)):
            linear.weight.copy_(0.1 * randn(*linear.weight.shape, seed=i))
    return MotionUNet(unet, adapter)


@pytest.fixture(scope="module")
def plain():
    with torch.no_grad():
        return tiny_unet()(*inputs()).sample


@pytest.fixture(scope="module")
def trained():
    return make_network(trained=True)


@torch.no_grad()
def test_an_untrained_adapter_changes_no_bit(plain):
    network = make_network(trained=False)
    motion = network.encode_motion(randn(FRAMES - 1, 2, SIZE, SIZE, seed=2))
    assert motion[0].any()
    strength = torch.tensor([0.0, 300.0])
    for conditions in (
        {},
        {"motion": motion},
        {"strength_percent": strength},
        {"motion": motion, "motion_scale": 3.0, "strength_percent": strength},
    ):
        assert torch.equal(network(*inputs(), **conditions), plain), conditions.keys()
    assert torch.equal(MotionUNet(tiny_unet())(*inputs()), plain)


@torch.no_grad()
def test_motion_scale_zero_is_no_motion(trained, plain):
    motion = trained.encode_motion(randn(1, 2, SIZE, SIZE, seed=2))
    assert torch.equal(trained(*inputs(), motion=motion, motion_scale=0.0), plain)
    guided = trained(*inputs(), motion=motion)
    assert not torch.allclose(guided, plain, atol=1e-4)
    twice = trained(*inputs(), motion=motion, motion_scale=2.0)
    assert (twice - plain).norm() > 1.2 * (guided - plain).norm()
    assert torch.equal(trained(*inputs()), plain), "one pass's motion must not stay for the next"


@torch.no_grad()
def test_strength_columns_are_a_wider_first_layer(trained):
    """eq. 8: the embedding concatenated to the three time ids', through a first layer with 8 more columns."""
    strength = torch.tensor([30.0, 300.0])
    embedding = trained.unet.add_time_proj(strength)
    ids = trained.unet.add_time_proj(inputs()[3].flatten()).reshape(2, -1)
    linear = trained.unet.add_embedding.linear_1
    wide = torch.cat([linear.weight, trained.adapter.strength.weight], dim=1)
    expected = torch.cat([ids, embedding], dim=1) @ wide.T + linear.bias
    seen = []
    hook = linear.register_forward_hook(lambda module, args, output: seen.append(output))
    trained(*inputs(), strength_percent=strength)
    hook.remove()
    torch.testing.assert_close(seen[0], expected)


@torch.no_grad()
def test_each_clip_of_a_batch_has_its_own_motion_and_strength(trained):
    flow = randn(2, 2, SIZE, SIZE, seed=5)
    maps = tuple(m[0][:, None] for m in trained.encode_motion(flow))  # [2, 1, C, h, w]
    strength = torch.tensor([10.0, 200.0])
    together = trained(*inputs(), motion=maps, strength_percent=strength)
    for i in range(2):
        alone = [x[i : i + 1] for x in inputs()]
        maps_alone = tuple(m[i : i + 1] for m in maps)
        one = trained(*alone, motion=maps_alone, strength_percent=strength[i : i + 1])
        torch.testing.assert_close(one[0], together[i], atol=1e-5, rtol=1e-4)


def test_gradients_reach_every_new_parameter():
    network = make_network(trained=False)
    adapter = network.adapter.requires_grad_(True)
    flow = randn(FRAMES - 1, 2, SIZE, SIZE, seed=2)
    target = randn(2, FRAMES, 4, SIZE // 8, SIZE // 8, seed=9)

    def backward() -> dict[str, float]:
        adapter.zero_grad()
        output = network(*inputs(), motion=network.encode_motion(flow), strength_percent=torch.tensor([50.0, 90.0]))
        (output - target).square().mean().backward()
        return {name: p.grad.abs().max().item() for name, p in adapter.named_parameters()}

    first = backward()
    for name, gradient in first.items():  # W_o = 0 lets nothing through to the encoder
        assert (gradient > 0) == (not name.startswith("encoder.")), name
    torch.optim.AdamW(adapter.parameters(), lr=1e-2).step()
    dead = [name for name, gradient in backward().items() if not gradient > 1e-9]
    # An instance norm follows: it takes any constant away.
    assert [name for name in dead if not name.endswith("body.2.bias")] == []
    assert {name.split(".")[2] for name in first if name.startswith("encoder.blocks")} == {"0", "1", "2"}
    assert all(p.grad is None for p in network.unet.parameters())


@pytest.mark.parametrize("count", [1, FRAMES - 1, FRAMES])
def test_frames_are_fitted(count):
    maps = randn(1, count, 3, 2, 2)
    fitted = fit_frames(maps, 2, FRAMES)
    assert fitted.shape == (2, FRAMES, 3, 2, 2)
    for frame in range(FRAMES):
        assert torch.equal(fitted[1, frame], maps[0, min(frame, count - 1)])


@pytest.mark.parametrize("count", [2, FRAMES - 2, FRAMES + 1])
def test_other_numbers_of_flows_are_refused(trained, count):
    motion = trained.encode_motion(randn(count, 2, SIZE, SIZE))
    with pytest.raises(ValueError, match=f"{count} flows for {FRAMES} frames, allowed 1, {FRAMES - 1} or {FRAMES}"):
        trained(*inputs(), motion=motion)
    assert trained.context.maps is None


def test_config_survives_json_and_rebuilds_the_same_adapter(trained):
    config = trained.adapter.config
    again = AdapterConfig.from_dict(json.loads(json.dumps(config.to_dict())))
    assert again == config
    MotionAdapter(again).load_state_dict(trained.adapter.state_dict())


def test_levels_of_layers():
    config = AdapterConfig.for_unet(tiny_unet())
    levels = {layer.split(".attentions")[0]: config.level(layer) for layer in config.layers}
    assert levels == {"down_blocks.0": 0, "up_blocks.1": 0, "mid_block": 1}
    assert len(config.layers) == 4  # 1 down, 1 middle, 2 up
    with pytest.raises(ValueError, match="layer 'elsewhere.0', allowed"):
        config.level("elsewhere.0")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"reference": "upside down"}, "reference = 'upside down', allowed"),
        ({"colour": 1}, "colour.*allowed fields"),
    ],
)
def test_unreadable_configs_are_refused(change, message):
    values = AdapterConfig.for_unet(tiny_unet()).to_dict() | change
    with pytest.raises(ValueError, match=message):
        AdapterConfig.from_dict(values)
    with pytest.raises(ValueError, match="missing.*allowed fields"):
        AdapterConfig.from_dict({"widths": [32]})


@pytest.mark.parametrize("change", [{"widths": (32, 96)}, {"strength_channels": 256}, {"layers": ("mid_block.x",)}])
def test_an_adapter_of_another_unet_is_refused(change):
    unet = tiny_unet()
    adapter = MotionAdapter(dataclasses.replace(AdapterConfig.for_unet(unet, base_channels=8), **change))
    with pytest.raises(ValueError, match=f"{next(iter(change))} = .* but this UNet has"):
        MotionUNet(unet, adapter)


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_runs_in_half_precision(trained, dtype):
    network = make_network(trained=True).to(dtype)
    flow, strength = randn(1, 2, SIZE, SIZE, seed=2), torch.tensor([30.0, 300.0])
    output = network(*inputs(dtype=dtype), motion=network.encode_motion(flow), strength_percent=strength)
    full = trained(*inputs(), motion=trained.encode_motion(flow), strength_percent=strength)
    assert output.dtype == dtype
    torch.testing.assert_close(output.float(), full, atol=0.1 * full.std().item(), rtol=0.1)
