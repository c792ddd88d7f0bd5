"""Refiner files."""

import pytest
import torch
from safetensors.torch import save_file


def test_unknown_config_is_named(loaders, tmp_path):
    path = tmp_path / "newer.safetensors"
    save_file({"a": torch.zeros(1)}, path, metadata={"format": "driftfield.refiner.v1", "config": '{"depth": 3}'})
    with pytest.raises(ValueError, match=r"newer\.safetensors: refiner config: .*depth.*allowed fields"):
        loaders.refiner.load_refiner(path)
