"""The animator's network as the denoisers that the sampling loops want."""

from collections.abc import Callable

from torch import Tensor

from ..model_loaders import memory
from ..model_loaders.animator import Animator
from ..sampling.conditioning import Conditioning
from ..sampling.denoiser import make_denoiser
from ..sampling.dual_clock import anchored
from ..sampling.guidance import guided, guided_in_one_pass

BYTES_PER_LATENT = 30_000  # of activations per latent pixel and frame, in half precision; a generous estimate


def activation_bytes(animator: Animator, reference: Tensor) -> int:
    """Roughly what one segment's forward pass takes beside the weights."""
    frames, _, height, width = reference.shape[-4:]
    return frames * height * width * BYTES_PER_LATENT * animator.dtype.itemsize // 2


def denoisers(
    animator: Animator, conditioning: Conditioning, guidance_scale: Tensor, *, segments: int = 1
) -> tuple[Callable, Callable]:
    """(conditional, guided and anchored) over the animator's UNet, loaded onto the device. A pass looks for Cancel."""
    from ..networks.fast import accelerate  # here: diffusers takes seconds to import

    bytes_each = activation_bytes(animator, conditioning.reference)
    (network,) = memory.load(animator.unet, memory_required=segments * bytes_each)
    accelerate(network)
    device = animator.unet.load_device
    conditioning = conditioning.to(device, animator.dtype)

    def check(_: int) -> None:
        memory.check_cancel()

    conditional = make_denoiser(network, conditioning, count=check)
    scale = guidance_scale.to(device)
    steered = guided(conditional, make_denoiser(network, conditioning.unconditional(), count=check), scale)
    if device.type == "cuda":
        together = guided_in_one_pass(network, conditioning, scale, count=check)
        steered = where_it_fits(together, steered, bytes_each)
    return conditional, anchored(steered, conditioning.anchor)


def where_it_fits(together: Callable, apart: Callable, bytes_each: int) -> Callable:
    """denoise(x, sigma): `together` has two passes of bytes_each for a segment in one, `apart` one after the other."""

    def denoise(x: Tensor, sigma: Tensor) -> Tensor:
        both = 2 * len(x)

        def run(batch: int) -> Tensor:
            return (together if batch == both else apart)(x, sigma)

        fits = memory.fitting(both, bytes_each) == both
        return memory.once_smaller(run, both if fits else len(x), len(x), "batch of the guidance")

    return denoise
