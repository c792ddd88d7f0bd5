"""ComfyUI is found, or the error says how to name one."""

import pytest

from driftfield.evaluation import host


@pytest.fixture
def comfyui(tmp_path):
    (tmp_path / "custom_nodes" / "driftfield").mkdir(parents=True)
    (tmp_path / "main.py").touch()
    return tmp_path


def test_the_one_named(comfyui, monkeypatch):
    monkeypatch.setenv("COMFYUI_DIR", str(comfyui))
    assert host.find_comfyui() == comfyui
    monkeypatch.setenv("COMFYUI_DIR", str(comfyui / "custom_nodes"))
    with pytest.raises(FileNotFoundError, match="COMFYUI_DIR: got .*custom_nodes, which holds no main.py"):
        host.find_comfyui()


def test_the_one_that_the_pack_lies_in(comfyui, monkeypatch):
    monkeypatch.delenv("COMFYUI_DIR", raising=False)
    monkeypatch.setattr(host, "PACK", comfyui / "custom_nodes" / "driftfield")
    assert host.find_comfyui() == comfyui
    (comfyui / "main.py").unlink()
    with pytest.raises(FileNotFoundError, match="set COMFYUI_DIR"):
        host.find_comfyui()
