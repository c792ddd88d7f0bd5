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
    index.write_text(json.dumps({"weight_map": {"weight": "a.safetensors", "bias": "b.safetensors"}}), encoding="utf-8")
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
    index.write_text(json.dumps({"weight_map": {"weight": "../a.safetensors"}}), encoding="utf-8")
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


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is empty: download it again"),
        (b"\r\n<!DOCTYPE html><html><head><title>Login</title>", "it is an HTML page.*download the file itself"),
        (b"<?xml version='1.0'?>\n<html lang='en'>", "it is an HTML page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 9\n", "a git-lfs pointer.*git lfs pull"),
        (b"PK\x03\x04archive/data.pkl", r"it is a PyTorch file.*get the \.safetensors"),
    ],
    ids=["empty", "html", "xhtml", "git-lfs", "pickle"],
)
def test_what_is_named_safetensors_but_is_none_is_said(files, tmp_path, content, said):
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"model\.safetensors: not a readable safetensors file.*{said}"):
        files.read_tensors([path], as_saved)


@pytest.mark.parametrize("kept", [40, -4])
def test_a_download_cut_short_is_said(files, tmp_path, kept):
    path = tmp_path / "model.safetensors"
    save_file({"weight": torch.zeros(3, 2), "bias": torch.zeros(3)}, path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ValueError, match=rf"it has {path.stat().st_size} of .*bytes: the download was cut short"):
        files.read_tensors([path], as_saved)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float8_e5m2])
def test_weights_that_are_not_finite_are_named_with_the_file(files, tmp_path, dtype, bad):
    path = tmp_path / "linear.safetensors"
    weight = torch.zeros(3, 2)
    weight[1, 1] = bad
    save_file({"bias": torch.zeros(3).to(dtype), "weight": weight.to(dtype)}, path)
    with pytest.raises(ValueError, match=r"linear\.safetensors: weight: NaN or infinity in b?float"):
        files.read_tensors([path], as_saved)


def test_weights_too_large_for_the_dtype_are_named(files, tmp_path):
    path = tmp_path / "linear.safetensors"
    save_file({"weight": torch.full((3, 2), 1e6)}, path)
    with pytest.raises(ValueError, match="weight: NaN or infinity in float16.*dtype fp32"):
        files.read_tensors([path], lambda key, tensor: torch.float16)
