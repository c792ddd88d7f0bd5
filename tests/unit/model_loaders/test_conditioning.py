"""Both halves of the guidance in one batch where memory holds it."""

import importlib

import pytest
import torch


@pytest.fixture
def conditioning(loaders):
    return importlib.import_module("driftfield.model_loaders.conditioning")


@pytest.mark.parametrize("segments", [1, 3])
@pytest.mark.parametrize("free, fails, expected", [(100, False, "t"), (1, False, "a"), (100, True, "ta")])
def test_guidance_halves_are_one_batch_where_they_fit(
    conditioning, loaders, monkeypatch, segments, free, fails, expected
):
    calls = []

    def together(x, sigma):
        calls.append("t")
        if fails:
            raise loaders.memory.OutOfMemory("no memory")
        return x + sigma

    def apart(x, sigma):
        calls.append("a")
        return x + sigma

    monkeypatch.setattr(loaders.memory, "fitting", lambda count, each: min(count, free // each))
    x = torch.ones(segments, 2)
    result = conditioning.where_it_fits(together, apart, 10)(x, torch.tensor(2.0))
    assert torch.equal(result, x + 2) and "".join(calls) == expected


def test_too_little_memory_for_either_is_an_error(conditioning, loaders):
    def full(x, sigma):
        raise loaders.memory.OutOfMemory("no memory")

    with pytest.raises(loaders.memory.OutOfMemory):
        conditioning.where_it_fits(full, full, 10)(torch.ones(1, 2), torch.tensor(2.0))
