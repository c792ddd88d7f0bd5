"""From a picture and its flow to the conditioning and the denoisers that the sampling loops want."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..flow_tools.convention import pad_to_multiple, resize_flow
from ..flow_tools.strength import strength_percent
from ..flow_tools.warp import reference_video
from ..sampling.denoiser import Conditioning, make_denoiser
from ..sampling.dual_clock import held
from ..sampling.guidance import guided, guided_in_one_pass
from . import memory
from .animator import Animator, embed_image, encode_image, encode_motion

PAD = 64  # image sides are padded to a multiple of it: VAE factor 8, UNet factor 8
MOTION_BUCKET_ID = 127  # SVD's own default, and the built-in adapter's training
LARGEST_BUCKET_ID = 255
DUAL_CLOCK_BUCKET_ID = 17  # Time-to-Move's: the motion comes from the warped still, not from the model
BYTES_PER_LATENT = 30_000  # of activations per latent pixel and frame, in half precision; a generous estimate


@dataclass(frozen=True)
class MotionGuidance:
    """A flow, and what an animator's motion encoder makes of it."""

    flow: Tensor  # [N, 2, H, W] px/frame
    maps: tuple[Tensor, ...] | None  # [1, N, C_i, h_i, w_i] of the padded flow; None without an adapter
    strength: float  # 1 = as trained, 0 = off
    adapter: str | None  # the file whose encoder made the maps
    frames: int | None = None  # in which the arrows' heads are reached; None: no arrows, or not known
    notes: tuple[str, ...] = ()  # of the nodes that made the flow


def fit_guidance(guidance: MotionGuidance, animator: Animator, height: int, width: int, frames: int) -> MotionGuidance:
    """The guidance for frames of an image of height × width: flow resized, one field or frames − 1 of them.

    Raises ValueError where the flow is too short or was encoded for another adapter.
    """
    if guidance.adapter != animator.adapter:
        raise ValueError(
            f"guidance: encoded for the adapter {guidance.adapter}, the animator has {animator.adapter}; "
            "connect the same animator to Encode Motion and Animate Image"
        )
    count = len(guidance.flow)
    if count != 1 and count < frames - 1:
        raise ValueError(f"guidance: got flow for {count + 1} frames, allowed 1 field, or {frames} frames or more")
    flow, maps = guidance.flow[: frames - 1], guidance.maps
    if flow.shape[-2:] != (height, width):
        flow = resize_flow(flow, height, width)
        maps = encode_motion(animator, pad_to_multiple(flow, PAD)[0]) if animator.has_adapter else None
    elif maps is not None:
        maps = tuple(level[:, : frames - 1] for level in maps)
    return replace(guidance, flow=flow, maps=maps)


def choose_strength(
    animator: Animator, flow: Tensor | None, manual: float | None, *, dual_clock: bool = False
) -> tuple[float | None, int, str]:
    """(strength_percent for the adapter or None, motion_bucket_id, what was done in words).

    manual: percent, or None for auto: eq. 8 of the flow, but a low motion_bucket_id where a dual clock moves things.
    """
    if manual is None and flow is None:
        return None, MOTION_BUCKET_ID, f"no flow to measure, so the default motion_bucket_id = {MOTION_BUCKET_ID}"
    if manual is None and dual_clock and not animator.has_adapter:
        return None, DUAL_CLOCK_BUCKET_ID, f"motion_bucket_id = {DUAL_CLOCK_BUCKET_ID}, the dual clock's own"
    percent = strength_percent(flow) if manual is None else manual
    note = f"motion strength {percent:.0f} % ({'measured from the flow' if manual is None else 'set by hand'}) drives "
    if animator.has_adapter:
        return percent, MOTION_BUCKET_ID, note + f"the adapter {animator.adapter}"
    bucket = max(0, min(LARGEST_BUCKET_ID, round(percent)))
    return None, bucket, note + f"motion_bucket_id = {bucket}: no adapter is loaded"


def encode_reference(
    animator: Animator, image: Tensor, flow: Tensor | None, frames: int, *, noise: Tensor, loop: bool
) -> Tensor:
    """Padded image [1, 3, H, W] → reference latents [L, c, h, w], unscaled: warped along the padded flow, or repeated.

    noise [1, 3, H, W], already scaled, is added to every picture before encoding, as diffusers does.
    """
    if animator.reference == "warped" and flow is not None:
        return encode_image(animator, reference_video(image, flow, frames, loop=loop) + noise)
    return encode_image(animator, image + noise).expand(frames, -1, -1, -1)


def condition(
    animator: Animator,
    image: Tensor,
    guidance: MotionGuidance | None,
    strength: float | None,
    bucket: int,
    *,
    frames: int,
    fps: int,
    noise: Tensor,
    noise_aug_strength: float,
    loop: bool,
) -> Conditioning:
    """Everything the network is told about image [1, 3, H, W] −1..1 (not padded), in main memory."""
    flow = guidance and pad_to_multiple(guidance.flow, PAD)[0]
    padded = pad_to_multiple(image, PAD)[0]
    return Conditioning(
        image_embedding=embed_image(animator, image),
        reference=encode_reference(animator, padded, flow, frames, noise=noise * noise_aug_strength, loop=loop),
        added_time_ids=torch.tensor([[fps - 1, bucket, noise_aug_strength]], dtype=torch.float32),
        motion=guidance and guidance.maps,
        motion_scale=guidance.strength if guidance else 1.0,
        strength_percent=strength,
    )


def activation_bytes(animator: Animator, reference: Tensor) -> int:
    """Roughly what one segment's forward pass takes beside the weights."""
    frames, _, height, width = reference.shape[-4:]
    return frames * height * width * BYTES_PER_LATENT * animator.dtype.itemsize // 2


def denoisers(
    animator: Animator, conditioning: Conditioning, guidance_scale: Tensor, *, segments: int = 1
) -> tuple[Callable, Callable]:
    """(conditional, guided and held) over the animator's UNet, loaded onto the device. Each pass looks for Cancel."""
    from ..networks.fast import accelerate  # here: diffusers takes seconds to import

    needed = segments * activation_bytes(animator, conditioning.reference)
    (network,) = memory.load(animator.unet, memory_required=needed)
    accelerate(network)
    device, dtype = animator.unet.load_device, animator.dtype

    def place(tensor: Tensor) -> Tensor:
        return tensor.to(device, dtype)

    placed = replace(
        conditioning,
        image_embedding=place(conditioning.image_embedding),
        reference=place(conditioning.reference),
        added_time_ids=conditioning.added_time_ids.to(device),
        motion=conditioning.motion and tuple(map(place, conditioning.motion)),
    )

    def check(_) -> None:
        memory.check_cancel()

    conditional = make_denoiser(network, placed, count=check)
    scale = guidance_scale.to(device)
    steered = guided(conditional, make_denoiser(network, placed.unconditional(), count=check), scale)
    if device.type == "cuda":
        together = guided_in_one_pass(network, placed, scale, count=check)
        steered = where_it_fits(together, steered, activation_bytes(animator, conditioning.reference))
    return conditional, held(steered, conditioning.hold and conditioning.hold.to(device))


def where_it_fits(together: Callable, apart: Callable, bytes_each: int) -> Callable:
    """denoise(x, sigma): `together` has two passes of bytes_each for a segment in one, `apart` one after the other."""

    def denoise(x: Tensor, sigma: Tensor) -> Tensor:
        both = 2 * len(x)

        def run(batch: int) -> Tensor:
            return (together if batch == both else apart)(x, sigma)

        fits = memory.fitting(both, bytes_each) == both
        return memory.once_smaller(run, both if fits else len(x), len(x), "batch of the guidance")

    return denoise
