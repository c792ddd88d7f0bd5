"""Both halves of the guidance in one batch where memory holds it."""

import pytest
import torch


@pytest.mark.parametrize("segments", [1, 3])
@pytest.mark.parametrize("free, fails, expected", [(100, False, "t"), (1, False, "a"), (100, True, "ta")])
def test_guidance_halves_are_one_batch_where_they_fit(pipeline, loaders, monkeypatch, segments, free, fails, expected):
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
    result = pipeline.denoise.where_it_fits(together, apart, 10)(x, torch.tensor(2.0))
    assert torch.equal(result, x + 2) and "".join(calls) == expected


def test_too_little_memory_for_either_is_an_error(pipeline, loaders):
    def full(x, sigma):
        raise loaders.memory.OutOfMemory("no memory")

    with pytest.raises(loaders.memory.OutOfMemory):
        pipeline.denoise.where_it_fits(full, full, 10)(torch.ones(1, 2), torch.tensor(2.0))


def test_out_of_memory_is_what_comfyui_says_it_is(loaders, monkeypatch):
    class DriverError(RuntimeError):
        pass

    def run(size):
        if size > 1:
            raise DriverError("CUDA error: out of memory")
        return size

    with pytest.raises(DriverError):  # an exception of another class is none, where ComfyUI knows but one class
        monkeypatch.delattr(loaders.memory.management, "is_oom", raising=False)
        monkeypatch.setattr(loaders.memory, "OutOfMemory", MemoryError)
        loaders.memory.once_smaller(run, 4, 1, "things")
    newer = {"raising": False}
    monkeypatch.setattr(loaders.memory.management, "is_oom", lambda e: isinstance(e, DriverError), **newer)
    assert loaders.memory.once_smaller(run, 4, 1, "things") == 1
    with pytest.raises(DriverError):
        loaders.memory.once_smaller(lambda size: run(2), 4, 1, "things")
