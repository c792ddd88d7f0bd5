"""A toy data set as `prepare` writes it, and the training commands run on it in this process."""

import json

import cv2
import numpy as np
import pytest
import torch
from diffusers import AutoencoderKLTemporalDecoder  # noqa: F401  (takes seconds; no test's time carries them)

SIZE = 64  # px


@pytest.fixture(scope="session")
def toy_data(tmp_path_factory):
    """2 clips to train on, 1 held out, 3 stills: smooth noise, the clips move 2 px a frame."""
    folder, random = tmp_path_factory.mktemp("toy"), np.random.default_rng(0)
    index = {"clips": [], "stills": []}
    for part in index:
        (folder / part).mkdir()
    for i, split in enumerate(("train", "train", "held_out")):
        noise = random.integers(0, 256, (10, 16, 3), np.uint8)
        wide = cv2.resize(noise, (2 * SIZE, SIZE), interpolation=cv2.INTER_CUBIC)
        codec = cv2.VideoWriter_fourcc(*"mp4v")
        writer = cv2.VideoWriter(str(folder / "clips" / f"clip{i}.mp4"), codec, 12, (SIZE, SIZE))
        for k in range(12):
            writer.write(wide[:, 2 * k : 2 * k + SIZE])
        writer.release()
        still = cv2.resize(noise, (SIZE + 16, SIZE + 16), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(folder / "stills" / f"still{i}.webp"), still)
        index["clips"].append({"name": f"clip{i}", "split": split})
        index["stills"].append({"name": f"still{i}", "split": "train"})
    (folder / "index.json").write_text(json.dumps(index), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def texture():
    """A picture [384, 640, 3] of smooth noise."""
    noise = np.random.default_rng(0).integers(0, 256, (24, 40, 3), np.uint8)
    return cv2.resize(noise, (640, 384), interpolation=cv2.INTER_CUBIC)


@pytest.fixture(scope="session")
def moving():
    """moving(texture, count): frames of a window that moves over it."""

    def cut(texture, count: int, *, left: int = 0, speed: int = 2, size: int = 256) -> list[np.ndarray]:
        return [texture[40 : 40 + size, left + speed * k : left + speed * k + size].copy() for k in range(count)]

    return cut


@pytest.fixture
def run_command(monkeypatch):
    """run_command(module, data, out, *arguments): the command's main on the CPU, global random state as it was.

    Its contact sheets are drawn with one step.
    """
    from driftfield.training.models import samples

    monkeypatch.setattr(samples, "STEPS", 1)

    def run(module, data, out, *arguments):
        with torch.random.fork_rng(devices=[]):
            module.main(["--data", str(data), "--out", str(out), "--device", "cpu", *arguments])

    return run


@pytest.fixture
def kill_at(monkeypatch):
    """kill_at(step): the next run of a command is interrupted at the end of that step."""
    from driftfield.training.loop.run import Run

    def kill(step):
        def record(run, **values):
            if run.step == step:
                monkeypatch.setattr(Run, "record", original)
                raise KeyboardInterrupt

        original = Run.record
        monkeypatch.setattr(Run, "record", record)

    return kill
