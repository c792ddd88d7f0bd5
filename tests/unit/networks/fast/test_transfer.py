"""Results come to main memory in order and unchanged: from a CPU at once, from a GPU while it computes the next."""

import pytest
import torch

from driftfield.networks.fast.transfer import one_behind

on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="copies behind the GPU need one")
DEVICES = ["cpu", pytest.param("cuda", marks=on_gpu)]
WANTED = [torch.full((i + 1, 3, 64, 64), float(i)) for i in range(4)]


def computed(device: str, log: list):
    for i, wanted in enumerate(WANTED):
        log.append(f"compute {i}")
        yield wanted.to(device).to(memory_format=torch.channels_last)


@pytest.mark.parametrize("device", DEVICES)
def test_all_arrive_in_order(device):
    got = list(one_behind(computed(device, [])))
    assert all(torch.equal(a, b) and a.device.type == "cpu" for a, b in zip(got, WANTED, strict=True))
    assert list(one_behind([])) == []


@pytest.mark.parametrize("device", DEVICES)
def test_when_each_is_handed_out(device):
    log = []
    for i, part in enumerate(one_behind(computed(device, log))):
        log.append(f"use {i}")
        assert part.is_pinned() == (device == "cuda")
    behind = ["compute 0", "compute 1", "use 0", "compute 2", "use 1", "compute 3", "use 2", "use 3"]
    at_once = [f"{word} {i}" for i in range(4) for word in ("compute", "use")]
    assert log == (behind if device == "cuda" else at_once)


@on_gpu
def test_the_gpu_computes_while_a_result_is_used():
    """Whoever gets result 0 finds result 1 not yet there; whoever asks for result 2, result 1 done."""
    marks = []

    def slow():
        for i in range(3):
            assert all(mark.query() for mark in marks)  # one at a time
            torch.cuda._sleep(100_000_000)
            marks.append(torch.cuda.Event())
            marks[-1].record()
            yield torch.full((4,), float(i), device="cuda")

    for i, part in enumerate(one_behind(slow())):
        assert part.tolist() == [i] * 4
        assert i == 2 or not marks[i + 1].query()
