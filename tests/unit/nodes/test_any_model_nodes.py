"""The nodes for any video model: what goes in and comes out, in ComfyUI's own forms."""

import pytest
import torch


@pytest.fixture(scope="module")
def nodes(node_classes):
    """The node classes by name."""
    return {node.__name__: node for node in node_classes}


def test_a_warped_image_is_images_and_masks(nodes, image, flow):
    video, moving, resting = nodes["WarpImageAlongFlow"].execute(image, flow, 5, 0, 0, False).result
    assert video.shape == (5, 64, 64, 3) and moving.shape == resting.shape == (5, 64, 64)
    torch.testing.assert_close(video[0], image[0])
    assert set(moving.unique().tolist()) <= {0.0, 1.0} and not (moving * resting).any()
    half = nodes["WarpImageAlongFlow"].execute(image.half(), flow, 5, 32, 48, True).result
    assert half[0].dtype == torch.float32 and half[0].shape == (5, 48, 32, 3)


def test_it_warns_of_what_was_hardly_meant(nodes, image, caplog):
    nodes["WarpImageAlongFlow"].execute(image, torch.zeros(1, 2, 64, 64), 5, 0, 0, False)
    assert "the flow is 0 everywhere" in caplog.text


def test_several_images_are_refused(nodes, image, flow):
    with pytest.raises(ValueError, match="image: got a batch of 2 images, allowed exactly 1"):
        nodes["WarpImageAlongFlow"].execute(image.expand(2, -1, -1, -1), flow, 5, 0, 0, False)


@pytest.mark.parametrize("sides, name", [((-5, 0), "width"), ((0, -5), "height")])
def test_a_linked_size_below_0_is_refused(nodes, image, flow, sides, name):
    with pytest.raises(ValueError, match=rf"{name}: got -5, allowed 0 \(the image's\) or more"):
        nodes["WarpImageAlongFlow"].execute(image, flow, 5, *sides, False)


def test_follow_flow_gives_model_target_and_report(nodes, comfy_base):
    import tiny_native

    from driftfield.pipeline.native import KEY

    model, target = tiny_native.load("wan"), {"samples": torch.zeros(1, 16, 4, 4, 4), "kept": True}
    node = nodes["FollowFlow"]
    given = node.execute(model, target, torch.ones(13, 32, 32), -1.0, -1.0, -1.0, torch.zeros(32, 32).half())
    patched, latent, report = given.result
    assert latent is target and "100% of the latents move, 0% rest" in report and given.ui.as_dict()["text"]
    assert KEY in patched.wrappers["predict_noise"] and KEY not in model.wrappers.get("predict_noise", {})
    with pytest.raises(ValueError, match=r"moving: got \[13, 2, 32, 32\], allowed masks"):
        node.execute(model, target, torch.ones(13, 2, 32, 32), -1.0, -1.0, -1.0)
    with pytest.raises(ValueError, match="target: got 64 NaN or infinite values, allowed finite ones: run the VAE"):
        broken = {"samples": target["samples"].index_fill(1, torch.tensor(0), float("nan"))}
        node.execute(model, broken, torch.ones(13, 32, 32), -1.0, -1.0, -1.0)
    with pytest.raises(ValueError, match=r"target: got latents \[1, 16, 0, 4, 4\], allowed"):
        node.execute(model, {"samples": target["samples"][:, :, :0]}, torch.ones(13, 32, 32), -1.0, -1.0, -1.0)
    with pytest.raises(ValueError, match="moving: got 13 frames for 1 frames of latents, allowed 1$"):
        node.execute(model, {"samples": target["samples"][:, :, :1]}, torch.ones(13, 32, 32), -1.0, -1.0, -1.0)


def test_phased_sampler_is_a_sampler(nodes, comfy_base):
    import comfy.samplers

    inner = comfy.samplers.sampler_object("euler")
    (sampler,) = nodes["PhasedSharedNoiseSampler"].execute(inner, 3, 0.8, 0.2, 1).result
    assert isinstance(sampler, comfy.samplers.Sampler) and sampler.gamma_counts == "noise"
    with pytest.raises(ValueError, match="got dpm_adaptive"):
        nodes["PhasedSharedNoiseSampler"].execute(comfy.samplers.sampler_object("dpm_adaptive"), 3, 0.8, 0.2, 1)


def test_segments_are_joined_as_images(nodes, flow, image):
    segments = torch.rand(26, 64, 64, 3, generator=torch.Generator().manual_seed(0))
    (joined,) = nodes["JoinSegments"].execute(segments, 2, 0, "crossfade").result
    assert joined.shape == (20, 64, 64, 3)
    torch.testing.assert_close(joined[:9], segments[:9])
    (same,) = nodes["JoinSegments"].execute(segments, 2, 0, "crossfade", image, flow).result
    assert torch.equal(same, joined)


@pytest.mark.parametrize(
    "segments, total, message", [(0, 0, "segments: got 0, allowed 1"), (2, -3, "total_frames: got -3")]
)
def test_counts_below_the_least_are_refused(nodes, segments, total, message):
    with pytest.raises(ValueError, match=message):
        nodes["JoinSegments"].execute(torch.rand(12, 8, 8, 3), segments, total, "crossfade")


@pytest.mark.parametrize("with_life", [False, True])
def test_cancel_stops_between_frames_put_together(nodes, image, flow, with_life):
    from comfy import model_management

    from driftfield.flow_tools.living import CALM_WATER

    model_management.interrupt_current_processing()
    try:
        with pytest.raises(model_management.InterruptProcessingException):
            if with_life:
                alive = nodes["Enliven"].execute(torch.ones(1, 64, 64), CALM_WATER, -1.0, 0).result[0]
                nodes["WarpImageAlongFlow"].execute(image, alive, 5, 0, 0, False)
            else:
                nodes["JoinSegments"].execute(torch.rand(12, 8, 8, 3), 2, 0, "crossfade")
    finally:
        model_management.interrupt_current_processing(False)
