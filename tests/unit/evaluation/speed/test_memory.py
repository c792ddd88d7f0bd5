"""The memory table: a clip of the toy size from picture to frames, and what the tables say."""

import math

import pytest
import torch


@pytest.fixture(scope="module")
def memory(comfy_base):
    from driftfield.evaluation.speed import memory

    return memory


def test_a_clip_is_measured_from_picture_to_frames(memory):
    bench = memory.Bench("toy", torch.device("cpu"))
    row = bench.measure("fp8", 3, 64, 64)
    assert all(map(math.isnan, row.peaks)) and len(row.peaks) == 3
    assert min(row.step, row.encoding, row.decoding) > 0
    kept = bench.animator
    bench.use("fp8")
    assert bench.animator is kept and kept.frames == 5


def test_the_tables_name_what_ran_and_what_did_not(memory, tmp_path):
    rows = [
        memory.Row(("fp16", "7 GiB"), (1.26, 5.04, 6.0), 0.6271, 1.5, 2.25),
        memory.Row(("fp16", "6 GiB")),
    ]
    lines = memory.table_of(("format", "memory"), rows).splitlines()
    assert lines[2] == "| fp16 | 7 GiB | 1.3 | 5.0 | 6.0 | 1.50 | 0.627 | 2.25 |"
    assert lines[3].startswith("| fp16 | 6 GiB | does not run |")
    assert len({line.count("|") for line in lines}) == 1
    bench = memory.Bench("toy", torch.device("cpu"))
    text = memory.report(bench, rows[:1], rows, 12.0, "a command")
    assert "toy size" in text and "## 5 frames of 64 × 128 with PyTorch held to less" in text


def test_less_memory_runs_until_it_does_not(memory, monkeypatch):
    bench = memory.Bench("toy", torch.device("cpu"))

    def measure(dtype, *clip):
        if given[-1] < 6:
            raise torch.OutOfMemoryError("full")
        return memory.Row((), (1.0, 2.0, 3.0))

    given = []
    bench.measure = measure

    class Limit:
        def __init__(self, gib):
            given.append(gib)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            return False

    monkeypatch.setattr(memory, "limited_to", Limit)
    rows = list(memory.by_limit(bench, lambda: True))
    assert [row.what for row in rows if row.peaks is None] == [("fp16", "5 GiB"), ("fp8", "5 GiB")]
    assert len(rows) == 6 + 3 and list(memory.by_limit(bench, lambda: False)) == []
