"""A still and a flow for the nodes of an animation."""

import pytest
import torch


@pytest.fixture
def image():
    return torch.rand(1, 64, 64, 3, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def flow():
    return torch.randn(1, 2, 64, 64, generator=torch.Generator().manual_seed(1))
