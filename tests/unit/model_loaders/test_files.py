"""Strict reading: whatever does not fit is an error that names file and keys."""

import json

import pytest
import torch
from safetensors.torch import save_file


@pytest.fixture
def files(loaders):
    return loaders.files


def meta_linear():
    with torch.device("meta"):
        return torch.nn.Linear(2, 3)


def as_saved(key, tensor):
    return tensor.dtype


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        ({"weight": torch.zeros(3, 2)}, "missing keys bias"),
        ({"weight": torch.zeros(3, 2), "bias": torch.zeros(3), "more": torch.zeros(1)}, "unknown keys more"),
        ({"weight": torch.zeros(2, 3), "bias": torch.zeros(3)}, r"wrong shapes weight \[2, 3\], allowed \[3, 2\]"),
    ],
)
def test_keys_and_shapes_are_named_with_the_file(files, tmp_path, tensors, said):
    path = tmp_path / "linear.safetensors"
    save_file(tensors, path)
    with pytest.raises(ValueError, match=rf"linear\.safetensors: .*{said}"):
        files.load_strictly(meta_linear(), files.read_tensors([path], as_saved), path)


def test_values_arrive_in_the_wanted_dtype(files, tmp_path):
    path = tmp_path / "linear.safetensors"
    weight, bias = torch.randn(3, 2).half(), torch.randn(3).half()
    save_file({"weight": weight, "bias": bias}, path)
    module = files.load_strictly(meta_linear(), files.read_tensors([path], lambda k, t: torch.float32), path)
    assert torch.equal(module.weight, weight.float()) and torch.equal(module.bias, bias.float())


def test_shards_are_joined_and_missing_ones_named(files, tmp_path):
    save_file({"weight": torch.zeros(3, 2)}, tmp_path / "a.safetensors")
    save_file({"bias": torch.ones(3)}, tmp_path / "b.safetensors")
    index = tmp_path / "diffusion_pytorch_model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"weight": "a.safetensors", "bias": "b.safetensors"}}))
    found = files.weight_files(tmp_path)
    assert [path.name for path in found] == ["a.safetensors", "b.safetensors"]
    assert set(files.read_tensors(found, as_saved)) == {"weight", "bias"}
    (tmp_path / "b.safetensors").unlink()
    with pytest.raises(ValueError, match=r"b\.safetensors.* missing"):
        files.weight_files(tmp_path)


def test_shards_outside_the_folder_are_refused(files, tmp_path):
    folder = tmp_path / "unet"
    folder.mkdir()
    save_file({"weight": torch.zeros(3, 2)}, tmp_path / "a.safetensors")
    index = folder / "diffusion_pytorch_model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"weight": "../a.safetensors"}}))
    with pytest.raises(ValueError, match="files in the same folder"):
        files.weight_files(folder)


def test_other_formats_are_named_and_never_read(files, tmp_path):
    (tmp_path / "diffusion_pytorch_model.bin").write_bytes(b"pickle")
    with pytest.raises(ValueError, match=r"diffusion_pytorch_model\.bin.* never read"):
        files.weight_files(tmp_path)
    with pytest.raises(ValueError, match=r"only \.safetensors"):
        files.read_tensors([tmp_path / "diffusion_pytorch_model.bin"], as_saved)


def test_a_broken_file_is_named(files, tmp_path):
    path = tmp_path / "broken.safetensors"
    path.write_bytes(b"not safetensors at all")
    with pytest.raises(ValueError, match=r"broken\.safetensors: not a readable"):
        files.read_tensors([path], as_saved)
