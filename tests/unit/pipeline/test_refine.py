"""What the refiner changes, and what it leaves alone."""

import json

import pytest
import torch
from safetensors.torch import save_file
from tiny import seeded

from driftfield.flow_tools.arrows import EASE, Arrow, MotionArrows
from driftfield.flow_tools.dense import default_sigma_px, restore_hints
from driftfield.flow_tools.motion import dense_motion, sparse_motion
from driftfield.flow_tools.smooth import smooth
from driftfield.networks.refiner import FlowRefiner, RefinerConfig


@pytest.fixture(scope="module")
def refiner_file(tmp_path_factory):
    config = RefinerConfig(base_channels=4, levels=4)
    path = tmp_path_factory.mktemp("refiners") / "tiny.safetensors"
    network = seeded(lambda: FlowRefiner(config), 0)
    metadata = {"format": "driftfield.refiner.v1", "config": json.dumps(config.to_dict())}
    save_file(network.state_dict(), path, metadata=metadata)
    return path


@pytest.fixture
def picture():
    return torch.rand(1, 3, 40, 56, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_refines_each_field_and_reports(loaders, refiner_file, picture, pipeline):
    refiner = loaders.refiner.manage_refiner(refiner_file)
    flow = torch.randn(3, 2, 40, 56, generator=torch.Generator().manual_seed(1))
    steps = []
    refined = pipeline.refine.refine(refiner, flow, picture, on_step=lambda i, n: steps.append((i, n)))
    assert refined.shape == flow.shape and not torch.equal(refined, flow)
    assert steps == [(0, 3), (1, 3), (2, 3)]
    network = loaders.refiner.load_refiner(refiner_file)
    torch.testing.assert_close(refined[1:2], smooth(network(flow[1:2], picture)), atol=1e-5, rtol=0)


def test_a_refiner_that_sees_hints_is_shown_them_where_there_are_some(loaders, tmp_path, picture, pipeline):
    config = RefinerConfig(base_channels=4, levels=4, hints=True, gated=True, relative=True)
    path, network = tmp_path / "hinted.safetensors", seeded(lambda: FlowRefiner(config), 0)
    metadata = {"format": "driftfield.refiner.v1", "config": json.dumps(config.to_dict())}
    save_file(network.state_dict(), path, metadata=metadata)
    refiner = loaders.refiner.manage_refiner(path)
    flow = torch.randn(2, 2, 40, 56, generator=torch.Generator().manual_seed(1))
    hints = torch.zeros(1, 2, 40, 56), torch.zeros(1, 1, 40, 56)
    hints[0][0, :, 8, 8] = hints[1][0, 0, 8, 8] = 1
    torch.testing.assert_close(pipeline.refine.refine(refiner, flow, picture)[:1], smooth(network(flow[:1], picture)))
    for field, refined in zip(flow.split(1), pipeline.refine.refine(refiner, flow, picture, hints=hints), strict=True):
        expected = restore_hints(smooth(network(field, picture, hints)), *hints, sigma_px=default_sigma_px(40, 56) / 4)
        torch.testing.assert_close(refined[None], expected)


def test_no_motion_stays_exactly_none(loaders, refiner_file, picture, pipeline):
    refiner = loaders.refiner.manage_refiner(refiner_file)
    still = torch.zeros(1, 2, 40, 56)
    assert torch.equal(pipeline.refine.refine(refiner, still, picture), still)


def test_hints_stand_and_the_region_holds(loaders, refiner_file, pipeline):
    refiner = loaders.refiner.manage_refiner(refiner_file)
    generator = torch.Generator().manual_seed(3)
    flow, picture = torch.randn(2, 2, 32, 32, generator=generator), torch.rand(1, 3, 32, 32, generator=generator)
    sparse, hints, region = torch.zeros(1, 2, 32, 32), torch.zeros(1, 1, 32, 32), torch.ones(1, 1, 32, 32)
    sparse[0, 0, 8, 8] = hints[0, 0, 8, 8] = 1
    region[..., 20:] = 0
    refined = pipeline.refine.refine(refiner, flow, picture, hints=(sparse, hints), region=region)
    for field in refined:
        torch.testing.assert_close(field[:, 8, 8], torch.tensor([1.0, 0.0]), atol=1e-4, rtol=0)
    assert (refined[..., 20:] == 0).all() and refined[..., :20].abs().mean() > 0.1


def test_a_followed_field_is_followed_after_the_refiner(loaders, refiner_file, picture, pipeline):
    refiner = loaders.refiner.manage_refiner(refiner_file)
    drawn = Arrow("a", ((0.25, 0.5), (0.6, 0.5)), timing=EASE), Arrow("pin", ((0.3, 0.7),))
    sparse, hints = sparse_motion(MotionArrows(drawn, 56, 40), height=40, width=56, frames=5)
    dense, known = dense_motion(sparse, hints), (sparse.field, hints)
    refined = pipeline.refine.refine(refiner, dense.field, picture, hints=known, ways=dense.ways)
    as_before = pipeline.refine.refine(refiner, dense.field, picture, hints=known)
    for field, before, wanted in zip(refined, as_before, sparse.field, strict=True):
        torch.testing.assert_close(field[:, 20, 14], wanted[:, 20, 14])
        torch.testing.assert_close(field[:, 28, 16], torch.zeros(2))
        along = [(one[:, 20, 16:32] - wanted[:, 20, 14:15]).norm(dim=0).mean() for one in (field, before)]
        assert along[0] < 0.5 * along[1]
