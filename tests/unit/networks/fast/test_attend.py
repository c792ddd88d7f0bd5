"""Attention of an image's pixels, in pieces, against its formula."""

import pytest
import torch
from noise import randn

from driftfield.networks.fast import attend as module
from driftfield.networks.fast import backend


@pytest.mark.skipif(torch.bfloat16 not in backend.formats_of_products(), reason="a CPU without products in bf16")
def test_in_bf16(monkeypatch):
    monkeypatch.setattr(module, "PIECE", 24)  # 4 queries at a time, then the last 2
    query, key, value = (randn(2, 6, 3, 8, seed=seed).bfloat16().transpose(1, 2) for seed in range(3))
    expected = torch.softmax(query.float() @ key.float().mT / 8**0.5, dim=-1) @ value.float()
    with torch.no_grad():
        got = module.attend(query, key, value)
    torch.testing.assert_close(got.float(), expected, atol=0.02, rtol=0)
