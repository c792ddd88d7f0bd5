"""A disc that moves over a picture at rest, as the refiner's tests have it."""

import torch

from driftfield.training.data.refiner_fields import Fields

SIZE = 32


def disc_flow() -> torch.Tensor:
    """[2, H, W]: a disc that covers a fifth moves by (3, −1), the rest is still."""
    y, x = torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="ij")
    inside = ((x - 12) ** 2 + (y - 18) ** 2 < 64).float()
    return torch.stack([3 * inside, -inside])


def fields_of(flow: torch.Tensor) -> Fields:
    """[S, 2, H, W]: the first is one clip's, the others another's."""
    count = torch.tensor([1, len(flow) - 1])
    images = torch.arange(len(flow), dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, SIZE, SIZE)
    return Fields(images, flow.half(), torch.tensor([0, 1]), count)
