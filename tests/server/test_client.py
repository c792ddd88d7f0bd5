"""The client and the fixture themselves, on ComfyUI's own nodes: if these fail, look there and not in the pack."""

import pytest
from comfy_client import ComfyError


def picture(width=64, color=0):
    return {
        "1": {"class_type": "EmptyImage", "inputs": {"width": width, "height": 64, "batch_size": 1, "color": color}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "client"}},
    }


def test_a_prompt_runs_and_the_same_again_comes_from_the_cache(client, server):
    result = client.run(picture(color=1))
    assert result.executed == ["1", "2"] and result.cached == []
    (file,) = result.files()
    assert (server.base / file["type"] / file["filename"]).is_file()
    again = client.run(picture(color=1))
    assert again.executed == [] and sorted(again.cached) == ["1", "2"]


def test_a_refused_prompt_says_which_input(client):
    with pytest.raises(ComfyError, match=r"EmptyImage \(node 1\).*width"):
        client.run(picture(width=-3))


def test_a_failed_node_shows_its_error_and_traceback(client, still):
    prompt = {
        "1": {"class_type": "LoadImage", "inputs": {"image": still}},
        "2": {"class_type": "ImageCrop", "inputs": {"image": ["1", 1], "width": 8, "height": 8, "x": 0, "y": 0}},
        "3": {"class_type": "PreviewImage", "inputs": {"images": ["2", 0]}},
    }
    with pytest.raises(ComfyError, match="ImageCrop"):  # a MASK where an IMAGE is wanted
        client.run(prompt)


def test_an_upload_is_found_by_load_image(client, server, still):
    assert client.upload(server.base / "input" / still, name="uploaded.png") == "uploaded.png"
    result = client.run(
        {
            "1": {"class_type": "LoadImage", "inputs": {"image": "uploaded.png"}},
            "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
        }
    )
    assert len(result.files()) == 1


def test_probe_answers(client):
    assert client.request("/driftfield_probe").keys() == {"loaded", "alive"}


def test_the_server_tells_its_memory(server):
    assert 100 < server.rss_mb() <= server.rss_mb(peak=True)
