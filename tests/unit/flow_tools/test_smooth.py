"""Smoothing takes speckle and stride grids, and leaves planes, edges and signs."""

import pytest
import torch

from driftfield.flow_tools.smooth import smooth


def step_field(height: int = 40, width: int = 48) -> torch.Tensor:
    flow = torch.zeros(2, 2, height, width)
    flow[0, 0, :, width // 2 :] = 4.0
    flow[1, 1] = -3.0
    return flow


def test_flat_places_stay_and_an_edge_stays_where_it_was():
    flow = step_field()
    got = smooth(flow)
    torch.testing.assert_close(got[1], flow[1])
    torch.testing.assert_close(got[0, 0, :, :14], torch.zeros(40, 14), atol=1e-3, rtol=0)
    torch.testing.assert_close(got[0, 0, :, -14:], torch.full((40, 14), 4.0), atol=1e-3, rtol=0)
    assert (got[0, 0, :, 23] < 2).all() and (got[0, 0, :, 24] > 2).all()


def test_speckle_and_a_grid_go():
    flow = step_field()
    noisy = flow.clone()
    noisy[:, :, ::4, ::4] += 2.0
    assert (smooth(noisy) - smooth(flow)).abs().max() < 0.05 < (noisy - flow).abs().max()


def test_it_commutes_with_mirroring_and_sign():
    flow = torch.randn(1, 2, 33, 40, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(smooth(flow.flip(-1)), smooth(flow).flip(-1))
    torch.testing.assert_close(smooth(-flow), -smooth(flow))


def test_a_wrong_shape_is_named():
    with pytest.raises(ValueError, match=r"flow: got \[3, 8, 8\]"):
        smooth(torch.zeros(3, 8, 8))
