"""A film's own camera, taken out of its flow."""

import pytest
import torch

from driftfield.training.data.camera import without_camera


def camera(height: int, width: int) -> torch.Tensor:
    """A pan, a zoom and a turn: [2, H, W] px/frame."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([1.5 + 0.01 * x - 0.004 * y, -0.7 + 0.004 * x + 0.01 * y]).float()


@pytest.mark.parametrize("size", [(256, 256), (64, 96)])
def test_what_moves_by_itself_is_left(size):
    own = torch.zeros(2, *size)
    own[:, size[0] // 4 : size[0] // 2, size[1] // 4 : size[1] // 2] = torch.tensor([4.0, -3.0])[:, None, None]
    noise = 0.02 * torch.randn(2, *size, generator=torch.Generator().manual_seed(0))
    left = without_camera(camera(*size) + own + noise)
    assert (left - own).norm(dim=0).max() < 0.2
    assert torch.equal(left, without_camera(camera(*size) + own + noise))
    assert without_camera(torch.zeros(2, *size)).abs().max() == 0
