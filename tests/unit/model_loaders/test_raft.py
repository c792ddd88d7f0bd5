"""RAFT's weights in both folders, and ComfyUI's own model on its socket."""

import importlib
import logging
import sys
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file
from tiny import seeded
from torchvision.models.optical_flow import raft_large, raft_small

PLACES = {
    "ours": "driftfield/raft_large.safetensors",
    "core": "optical_flow/raft_large.safetensors",
    "named": "optical_flow/flow/raft_large_C_T_SKHT_V2-ff5fadd5.safetensors",
    "pth": "optical_flow/raft_large.pth",
}


@pytest.fixture
def models(loaders, tmp_path, monkeypatch):
    """The folder that `driftfield` and `optical_flow` lie in."""
    import folder_paths

    for name in ("driftfield", "optical_flow"):
        (tmp_path / name).mkdir()
        extensions = folder_paths.folder_names_and_paths[name][1]
        monkeypatch.setitem(folder_paths.folder_names_and_paths, name, ([str(tmp_path / name)], extensions))
    return tmp_path


@pytest.fixture(scope="module")
def network():
    return seeded(lambda: raft_large(weights=None), 0)


@pytest.fixture(scope="module")
def estimate(comfy_base):
    return importlib.import_module("driftfield.nodes.flow").EstimateFlow.execute


@pytest.fixture(scope="module")
def video():
    picture = torch.rand(1, 16, 16, 3, generator=torch.Generator().manual_seed(1)).repeat_interleave(8, 1)
    picture = picture.repeat_interleave(8, 2)
    return torch.cat([picture, picture.roll(3, 2)])


def save(network, path):
    path.parent.mkdir(exist_ok=True)
    save_file(network.state_dict(), path) if path.suffix == ".safetensors" else torch.save(network.state_dict(), path)
    return path


def test_the_host_knows_the_folder(loaders):
    import folder_paths

    assert any(path.endswith("optical_flow") for path in folder_paths.get_folder_paths("optical_flow"))


def test_missing_weights_name_both_places(loaders, models):
    with pytest.raises(ValueError, match="method 'raft': .*or choose the method 'dis'") as raised:
        loaders.raft.load_raft()
    for name in ("driftfield", "optical_flow"):
        assert str(models / name) in str(raised.value)


@pytest.mark.parametrize("place", PLACES)
def test_weights_load_from_either_place(loaders, models, network, place):
    save(network, models / PLACES[place])
    (loaded,) = loaders.memory.load(loaders.raft.load_raft())
    expected = network.state_dict()
    assert all(torch.equal(value, expected[key]) for key, value in loaded.state_dict().items())


def test_our_folder_comes_first_then_safetensors_then_pth(loaders, models):
    for place in ("pth", "named", "core", "ours"):
        path = models / PLACES[place]
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
        for other in ("raft_small.safetensors", "raft_large.ckpt"):
            (models / "optical_flow" / other).write_bytes(b"")
        assert loaders.locations.raft() == path or place == "core"  # the subfolder's file sorts before it


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"<!doctype html>", r"raft_large\.pth: not readable as weights \(.*\): it is damaged, a web page, or holds"),
        ([torch.zeros(1), 2], r"raft_large\.pth: got list, allowed: a dict of tensors by name"),
        ({"a": 1, "b": 2}, r"raft_large\.pth: got dict, allowed: a dict of tensors by name"),
        ({"a": torch.zeros(1), "b": torch.zeros(1)}, r"raft_large\.pth: missing keys .*; unknown keys a, b"),
        ({"a": logging.getLogger(), "b": 1}, r"raft_large\.pth: not readable as weights"),
    ],
    ids=["page", "list", "numbers", "other network", "code"],
)
def test_another_pth_is_refused_by_name(loaders, models, content, said):
    path = models / PLACES["pth"]
    path.write_bytes(content) if isinstance(content, bytes) else torch.save(content, path)
    with pytest.raises(ValueError, match=said):
        loaders.raft.load_raft()


def test_a_pth_with_nan_names_the_key(loaders, models, network):
    tensors = network.state_dict()
    key = next(iter(tensors))
    torch.save({**tensors, key: tensors[key] * torch.nan}, models / PLACES["pth"])
    with pytest.raises(ValueError, match=rf"raft_large\.pth: {key}: NaN or infinity"):
        loaders.raft.load_raft()


def core_like(network):
    import comfy.model_management as management
    from comfy.model_patcher import ModelPatcher

    return ModelPatcher(
        network, load_device=management.get_torch_device(), offload_device=management.unet_offload_device()
    )


def test_a_connected_model_is_used_and_the_method_ignored(models, network, estimate, video):
    save(network, models / PLACES["ours"])
    expected = estimate(video, "raft").result[0].field
    (models / PLACES["ours"]).unlink()
    assert expected.shape == (1, 2, 128, 128) and expected.abs().max() > 0
    for method in ("dis", "raft", "any"):
        flow = estimate(video, method, optical_flow_model=core_like(network)).result[0].field
        torch.testing.assert_close(flow, expected, atol=1e-5, rtol=1e-5)


def test_comfyui_s_own_loader_gives_the_same_flow(models, network, estimate, video, monkeypatch):
    monkeypatch.setitem(sys.modules, "nodes", SimpleNamespace(MAX_RESOLUTION=16384))  # core's, not this pack's folder
    loader = pytest.importorskip("comfy_extras.nodes_void").OpticalFlowLoader
    save(network, models / PLACES["pth"])
    expected = estimate(video, "raft").result[0].field
    (model,) = loader.execute("raft_large.pth").result
    flow = estimate(video, "dis", model).result[0].field
    torch.testing.assert_close(flow, expected, atol=1e-5, rtol=1e-5)


def test_what_is_no_raft_is_refused(estimate, video):
    for given, name in ((torch.zeros(1, 2, 8, 8), "Tensor"), (core_like(torch.nn.Linear(1, 1)), "Linear")):
        with pytest.raises(ValueError, match=f"optical_flow_model: got {name}, allowed torchvision's RAFT"):
            estimate(video, "dis", given)


def test_a_small_raft_fits_the_socket(estimate, video):
    flow = estimate(video, "dis", core_like(seeded(lambda: raft_small(weights=None), 0))).result[0].field
    assert flow.shape == (1, 2, 128, 128)
