"""Hints as a person would place them, and the fields that they make."""

import pytest
import torch
from disc import SIZE, disc_flow

from driftfield.flow_tools.dense import default_sigma_px, densify
from driftfield.training.data.hints import THRESHOLD, draw_hints, draw_pixels, draw_sigma, gaussian_fields, hint_maps


def test_hints_carry_the_true_flow_and_stand_mostly_where_it_moves():
    flow, generator = disc_flow(), torch.Generator().manual_seed(0)
    counts, moving = [], []
    for _ in range(300):
        sparse, hints = draw_hints(flow, generator)
        assert sparse.shape == (1, 2, SIZE, SIZE) and hints.shape == (1, 1, SIZE, SIZE)
        assert torch.equal(sparse, flow[None] * hints) and set(hints.unique().tolist()) <= {0.0, 1.0}
        counts.append(int(hints.sum()))
        moving += flow[0][hints[0, 0] > 0].tolist()
    assert min(counts) == 1 and max(counts) == 6
    fraction = sum(value > 0 for value in moving) / len(moving)
    assert 0.75 < fraction < 0.95  # 0.8 + 0.2 · the disc's share, and pins


def test_a_still_field_gets_pins():
    sparse, hints = draw_hints(torch.zeros(2, SIZE, SIZE), torch.Generator().manual_seed(0))
    assert hints.any() and not sparse.any()


def test_gaussian_fields_are_the_nodes_own_densifying():
    flow = torch.randn(9, 2, 24, 40, generator=torch.Generator().manual_seed(1))
    pixel, present = draw_pixels(flow, torch.Generator().manual_seed(2))
    pixel[0, 1] = pixel[0, 0]
    present[0, :2] = torch.tensor([True, False])  # as draw_pixels leaves two on one pixel
    sigma = draw_sigma(9, 24, 40, torch.Generator().manual_seed(3), flow.device)
    sigma[0] = 2.0
    fields = gaussian_fields(flow, pixel, present, sigma)
    for i, (sparse, mask) in enumerate(zip(*hint_maps(flow, pixel, present), strict=True)):
        expected = densify(sparse[None], mask[None], sigma_px=sigma[i].item(), threshold=THRESHOLD, mode="faded")
        torch.testing.assert_close(fields[i : i + 1], expected, atol=1e-4, rtol=1e-4)
    assert (fields[0] == 0).any() and len({count.item() for count in present.sum(1)}) > 3


def test_exact_fields_have_the_hints_at_their_places():
    flow = torch.randn(4, 2, 24, 40, generator=torch.Generator().manual_seed(1))
    pixel, present = draw_pixels(flow, torch.Generator().manual_seed(2))
    exact = torch.tensor([True, True, False, False])
    sigma = torch.full((4,), 8.0)
    fields, plain = gaussian_fields(flow, pixel, present, sigma, exact), gaussian_fields(flow, pixel, present, sigma)
    assert torch.equal(fields[2:], plain[2:])
    at = pixel[:, None].expand(-1, 2, -1)
    errors = [(f.flatten(2).gather(2, at) - flow.flatten(2).gather(2, at)).norm(dim=1) for f in (fields, plain)]
    assert errors[0][:2][present[:2]].mean() < 0.3 * errors[1][:2][present[:2]].mean()


def test_no_pixel_has_two_hints():
    pixel, present = draw_pixels(torch.ones(200, 2, 3, 3), torch.Generator().manual_seed(0))
    for pixels, there in zip(pixel, present, strict=True):
        assert len(set(pixels[there].tolist())) == there.sum() >= 1


def test_half_of_the_reaches_are_the_default():
    sigma = draw_sigma(4000, 64, 96, torch.Generator().manual_seed(0), torch.device("cpu")) / default_sigma_px(64, 96)
    assert (sigma == 1).float().mean() == pytest.approx(0.5, abs=0.03)
    assert sigma.min() == pytest.approx(0.2, abs=0.01) and sigma.max() == 1
