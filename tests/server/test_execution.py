"""The pack inside a running ComfyUI: caching, Cancel, memory."""

import time

import pytest
from comfy_client import ComfyError
from prompts import changed, graph


def test_the_whole_graph_runs_and_shows_its_previews(client, still, server):
    result = client.run(graph(still, animate__seed=100))
    frames = [file for file in result.files() if file["filename"].startswith("ComfyUI_temp")]
    assert len(frames) == 12
    assert result.steps["animate"] == (4, 4)
    assert len(result.previews) >= 4  # a picture for each step
    assert all(preview[:3] == b"\xff\xd8\xff" for preview in result.previews)  # JPEG
    assert "motion strength" in result.outputs["animate"]["text"][0]


def test_an_unchanged_prompt_comes_from_the_cache(client, still):
    prompt = graph(still, animate__seed=101)
    client.run(prompt)
    again = client.run(prompt)
    assert again.executed == []
    assert set(again.cached) == set(prompt)


def test_another_gamma_does_not_sample_the_first_segment_again(client, still):
    client.run(graph(still, animate__seed=102, extend__gamma=0.5))
    again = client.run(graph(still, animate__seed=102, extend__gamma=0.75))
    assert again.executed == ["extend", "decode", "preview"]
    assert "animate" in again.cached


def test_the_same_seed_gives_the_same_frames(client, still, server):
    def frames(result):
        files = [file for file in result.files() if file["filename"].startswith("ComfyUI_temp")]
        return [server.file(file).read_bytes() for file in files]

    first = frames(client.run(graph(still, animate__seed=103)))
    client.run(graph(still, animate__seed=104))
    client.free()
    assert frames(client.run(graph(still, animate__seed=103))) == first


@pytest.mark.parametrize("node", ["animate", "extend"])
def test_cancel_stops_within_a_step_and_the_next_prompt_succeeds(client, still, node):
    prompt = graph(still, animate__steps=60, animate__seed=105)
    # 192 px: slow enough that a step outlasts the request
    prompt["larger"] = {
        "class_type": "ImageScale",
        "inputs": {
            "image": ["still", 0],
            "upscale_method": "bilinear",
            "width": 192,
            "height": 192,
            "crop": "disabled",
        },
    }
    prompt = changed(prompt, draw__image=["larger", 0], animate__image=["larger", 0], refine__image=["larger", 0])
    if node == "extend":
        prompt = changed(prompt, animate__steps=3, extend__total_frames=500, extend__gamma=0)
    seen = []

    def cancel_at_the_third_step(kind, data):
        if kind == "progress" and data["node"] == node:
            seen.append(data["value"])
            if data["value"] == 3:
                client.interrupt()

    result = client.run(prompt, on_event=cancel_at_the_third_step)
    assert result.interrupted
    assert result.executed[-1] == node
    assert 3 <= seen[-1] <= 4  # the step that was under way may still end

    assert not client.run(graph(still, animate__seed=106)).interrupted


def test_free_releases_the_models(client, still):
    client.run(graph(still, animate__seed=107))
    before = client.request("/driftfield_probe")
    assert {"MotionUNet", "FlowRefiner"} <= set(before["loaded"])
    client.free()
    deadline = time.monotonic() + 20  # the server frees when its queue is next idle
    while (after := client.request("/driftfield_probe")) != {"loaded": [], "alive": {}}:
        assert time.monotonic() < deadline, after
        time.sleep(0.1)


def test_ten_runs_do_not_grow_the_memory(client, still, server):
    def resident_after(seed):
        client.run(graph(still, animate__seed=seed, extend__seed=seed))
        return server.rss_mb()

    def smallest(seeds):  # the allocator's level swings by 30 MiB from run to run
        return min(map(resident_after, seeds))

    smallest(range(200, 203))
    before = smallest(range(210, 215))
    alive = client.request("/driftfield_probe")["alive"]
    smallest(range(220, 225))
    grown = smallest(range(225, 230)) - before
    print(f"grown by {grown:.1f} MiB from {before:.0f}")
    assert grown < 20
    assert client.request("/driftfield_probe")["alive"] == alive


def test_a_node_error_does_not_harm_the_next_prompt(client, still):
    with pytest.raises(ComfyError):
        client.run(graph(still, draw__arrows="not arrows"))
    client.run(graph(still, animate__seed=108))
