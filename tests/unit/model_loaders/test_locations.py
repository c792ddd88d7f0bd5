"""Names from a graph never leave the model folders, and never name another format."""

import json

import pytest


@pytest.mark.parametrize("kind", ["animator", "adapter", "refiner", "lora"])
@pytest.mark.parametrize(
    "name",
    ["../outside.safetensors", "a/../../b.safetensors", "/etc/a.safetensors", "..\\a.safetensors", "C:\\a", "", "a\0b"],
)
def test_names_outside_the_folders_are_refused(loaders, kind, name):
    with pytest.raises(ValueError, match="allowed: a name inside"):
        loaders.locations.resolve(kind, name)


@pytest.mark.parametrize("name", ["model.ckpt", "model.pt", "model.bin", "model.pth", "model"])
def test_other_formats_are_refused_by_name(loaders, comfy_base, name):
    (comfy_base / "models" / "loras" / name).write_bytes(b"pickle")
    with pytest.raises(ValueError, match=rf"lora '{name}': only \.safetensors"):
        loaders.locations.resolve("lora", name)
    assert name not in loaders.locations.loras()


def test_files_are_listed_with_their_subfolders_and_found(loaders, comfy_base):
    path = comfy_base / "models" / "loras" / "camera" / "still.safetensors"
    path.parent.mkdir()
    path.write_bytes(b"")
    assert loaders.locations.loras() == ["built-in", "camera/still.safetensors"]
    assert loaders.locations.resolve("lora", "camera/still.safetensors") == path
    with pytest.raises(ValueError, match="'other.safetensors': not found in .*loras"):
        loaders.locations.resolve("lora", "other.safetensors")
    (path.parent.parent / "elsewhere").symlink_to(path.parent, target_is_directory=True)
    assert "elsewhere/still.safetensors" in loaders.locations.loras()
    (path.parent.parent / "elsewhere").unlink()
    path.unlink()


def test_svd_folders_are_told_from_others(loaders, comfy_base, tiny_folder):
    other = comfy_base / "models" / "diffusers" / "flat" / "sd15"
    other.mkdir(parents=True)
    (other / "model_index.json").write_text(json.dumps({"_class_name": "StableDiffusionPipeline"}), encoding="utf-8")
    assert loaders.locations.animation_models() == ["built-in", "flat/sd15", "tiny"]
    assert loaders.locations.resolve("animator", "tiny") == tiny_folder
    with pytest.raises(ValueError, match="is a StableDiffusionPipeline, allowed: StableVideoDiffusionPipeline"):
        loaders.locations.resolve("animator", "flat/sd15")


def test_a_pack_without_its_weights_says_so(loaders, monkeypatch, tmp_path):
    monkeypatch.setattr(loaders.locations, "WEIGHTS", tmp_path)
    for kind in ("animator", "adapter", "refiner", "lora"):
        with pytest.raises(ValueError, match="came without its weights"):
            loaders.locations.resolve(kind, "built-in")


def test_the_fingerprint_follows_the_file_and_never_raises(loaders, comfy_base):
    path = comfy_base / "models" / "loras" / "changing.safetensors"
    path.write_bytes(b"1")
    first = loaders.locations.fingerprint("lora", path.name)
    assert first == loaders.locations.fingerprint("lora", path.name)
    path.write_bytes(b"22")
    assert first != loaders.locations.fingerprint("lora", path.name)
    path.unlink()
    assert "not found" in loaders.locations.fingerprint("lora", path.name)
