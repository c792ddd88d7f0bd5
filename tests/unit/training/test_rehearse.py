"""The rehearsal of a preset, at toy size: two processes take the steps of one with a batch of both."""

import json
import os
import socket
import subprocess
import sys

import pytest
import torch

from driftfield.training import rehearse

TOY = ["block_out_channels=[32,64]", "cross_attention_dim=16", "frames=4", "motion_channels=8", "size=64",
       "gradient_checkpointing=true"]  # fmt: skip


@pytest.fixture(autouse=True)
def few_steps(monkeypatch):
    monkeypatch.setattr(rehearse, "STEPS", 4)
    monkeypatch.setattr(rehearse, "WARM_UP", 1)


def test_two_processes_have_the_losses_of_one(capsys):
    """Two gloo processes with batches of 2 against one with a batch of 4, whose optimizer is AdamW as svd-xt's is."""
    settings = [*TOY, 'optimizer="adamw"', "learning_rate=0.1"]
    with torch.random.fork_rng(devices=[]):
        alone = rehearse.main(["--preset", "mini", "--device", "cpu", "--set", *settings, "batch=4"])
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert figures["processes"] == 1 and figures["losses"] == pytest.approx(alone, abs=1e-6)
    assert figures["trained, millions"] == figures["parameters, millions"] > 0
    code = "from driftfield.training import rehearse; rehearse.STEPS, rehearse.WARM_UP = 4, 1; rehearse.main()"
    words = ["--preset", "mini", "--device", "cpu", "--set", *settings, "batch=2"]
    environment = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "ACCELERATE_USE_CPU": "true",
                   "OMP_NUM_THREADS": "1"}  # fmt: skip
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        environment["MASTER_PORT"] = str(free.getsockname()[1])
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, *words],
            env={**os.environ, **environment, "RANK": str(i), "LOCAL_RANK": str(i)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for i in range(2)
    ]
    outputs = [process.communicate(timeout=240)[0] for process in processes]
    assert all(process.returncode == 0 for process in processes)
    together = json.loads(outputs[0].splitlines()[-1])
    assert together["processes"] == 2 and outputs[1] == ""
    assert together["losses"] == pytest.approx(alone, rel=1e-4)
    assert len({round(loss, 3) for loss in alone}) > 1


def test_svd_is_trained_in_its_temporal_layers():
    """At toy size with SVD's rules: what sees one frame at a time, and the image encoder, are left alone."""
    losses = rehearse.main(["--preset", "mini", "--device", "cpu", "--set", *TOY, 'trained="temporal"', "batch=1"])
    assert len(losses) == 4 and all(loss > 0 for loss in losses)
