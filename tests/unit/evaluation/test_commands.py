"""The commands are listed with a line each, and refuse what is wrong before anything starts."""

import os
import subprocess
import sys

import pytest


@pytest.fixture(scope="module")
def commands(comfy_base):
    from driftfield.evaluation import commands

    return commands


def test_help_lists_every_command_with_a_line(commands):
    command = [sys.executable, "-m", "driftfield.evaluation", "--help"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for entry in commands.COMMANDS:
        assert any(line.split() == [entry.name, *entry.help.split()] for line in text.splitlines()), entry.name


def test_without_comfyui_it_says_what_to_set(tmp_path):
    command = [sys.executable, "-m", "driftfield.evaluation", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "COMFYUI_DIR": str(tmp_path)})
    assert done.returncode == 2 and done.stderr.startswith("COMFYUI_DIR: got"), done.stderr


@pytest.mark.parametrize("name", ["table1", "table2", "figure7", "figure8"])
def test_commands_refuse_what_is_wrong_before_anything_starts(commands, name, tmp_path, capsys):
    for words, said in (
        (["--data", str(tmp_path)], "holds no index.json"),
        (["--frames", "1", "--data", str(tmp_path)], "--frames: got 1, allowed 2 or more"),
        (["--steps", "0", "--data", str(tmp_path)], "--steps: got 0, allowed 1 or more"),
    ):
        with pytest.raises(SystemExit):
            commands.main([name, *words])
        assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    "words, said",
    [
        (["motion"], "got 'motion', allowed autoencoder, control"),
        (["control", "--frames", "1"], "--frames: got 1, allowed 2 or more"),
        (["control"], "holds no index.json"),
    ],
)
def test_the_built_in_models_command_refuses(commands, words, said, tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        commands.parse(["builtin", *words, "--data", str(tmp_path), "--out", str(tmp_path)])
    assert stop.value.code == 2 and said in capsys.readouterr().err
