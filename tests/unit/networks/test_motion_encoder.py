"""The motion encoder tells flows apart by size and direction, whatever the resolution."""

import pytest
import torch
from tiny import seeded

from driftfield.flow_tools.convention import resize_flow
from driftfield.networks.motion_encoder import MotionEncoder

WIDTHS = (32, 64, 64)


@pytest.fixture(scope="module")
def encoder():
    return seeded(lambda: MotionEncoder(WIDTHS, base_channels=8, flow_scale_px=8.0), 0)


def uniform(x: float, y: float, size: int = 64) -> torch.Tensor:
    return torch.tensor([float(x), float(y)]).view(1, 2, 1, 1).expand(1, 2, size, size)


def test_a_pyramid_of_the_unets_widths(encoder):
    maps = encoder(torch.zeros(3, 2, 64, 96))
    assert [tuple(m.shape) for m in maps] == [(3, 32, 8, 12), (3, 64, 4, 6), (3, 64, 2, 3)]


def test_uniform_flows_differ_by_size_and_by_direction(encoder):
    """Instance norm takes a uniform field's value away; the shortcuts must carry it."""
    still = encoder(uniform(0, 0))
    flows = {"right": (2, 0), "further": (4, 0), "left": (-2, 0), "down": (0, 2), "up": (0, -2)}
    maps = {name: encoder(uniform(*step)) for name, step in flows.items()} | {"still": still}
    names = list(maps)
    for level in range(len(WIDTHS)):
        scale = still[level].std()
        for i, name in enumerate(names):
            for other in names[:i]:
                difference = (maps[name][level] - maps[other][level]).mean(dim=(2, 3)).abs().max()
                assert difference > 0.05 * scale, (level, name, other)


def test_scaling_does_not_depend_on_the_resolution(encoder):
    """The same motion on another grid has values in the same ratio; the stem sees the same numbers."""
    seen = []
    hook = encoder.stem.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    small = uniform(3, -1)
    encoder(small)
    encoder(resize_flow(small, 128, 128))
    encoder(resize_flow(small, 128, 64))
    hook.remove()
    torch.testing.assert_close(seen[0][..., :1, :1], seen[1][..., :1, :1])
    assert seen[0][0, 0, 0, 0] == pytest.approx(3 * 512 / 64 / 8)  # px/frame at 512, in units of flow_scale_px
    torch.testing.assert_close(seen[2][0, :, 0, 0], torch.tensor([3 * 512 / 128 / 8, -2 * 512 / 128 / 8]))


def test_inputs_stay_and_frames_do_not_mix(encoder):
    flow = torch.randn(2, 2, 64, 64, generator=torch.Generator().manual_seed(0))
    before = flow.clone()
    both = encoder(flow)
    assert torch.equal(flow, before)
    for alone, together in zip(encoder(flow[1:]), both, strict=True):
        torch.testing.assert_close(alone[0], together[1])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(dtype):
    encoder = seeded(lambda: MotionEncoder(WIDTHS, base_channels=8, flow_scale_px=8.0), 0).to(dtype)
    maps = encoder(uniform(2, 1))  # the flow itself stays float32 outside
    assert all(m.dtype == dtype and m.isfinite().all() for m in maps)
