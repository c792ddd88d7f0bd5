"""The command line of the training commands: presets, overrides, defaults."""

import math

import pytest

from driftfield.training.loop.arguments import parse_arguments

REQUIRED = ["--data", "d", "--out", "o"]


def test_overrides_and_defaults():
    options = parse_arguments("refiner", "", [*REQUIRED, "--set", "steps=3", "image_conditioned=false"])
    assert options.steps == 3 and options.image_conditioned is False
    assert options.checkpoint_minutes == 2 and options.resume is None and options.minutes == math.inf


def test_unknown_overrides_are_named(capsys):
    with pytest.raises(SystemExit):
        parse_arguments("refiner", "", [*REQUIRED, "--set", "stepps=3"])
    assert "--set stepps: not in section [refiner] of mini.toml" in capsys.readouterr().err


def test_a_preset_without_the_section_is_named(capsys):
    with pytest.raises(SystemExit):
        parse_arguments("autoencoder", "", [*REQUIRED, "--preset", "svd-xt"])
    assert "--preset svd-xt: it has no section [autoencoder], only ['animator'" in capsys.readouterr().err


def test_a_preset_may_be_a_file(tmp_path):
    (tmp_path / "own.toml").write_text("[refiner]\nsteps = 7\n", encoding="utf-8")
    assert parse_arguments("refiner", "", [*REQUIRED, "--preset", str(tmp_path / "own.toml")]).steps == 7
