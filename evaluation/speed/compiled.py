"""torch.compile beside this pack's own kernels, for `speed --compiled`.

Every shape is compiled for itself (dynamic=False), and a network is one graph or an error: nothing falls back unseen.
"""

import contextlib
import copy
from collections.abc import Iterator
from unittest import mock

from diffusers import StableVideoDiffusionPipeline
from torch import Tensor, nn

from ...networks.fast import accelerate, backend

FORM = {"dynamic": False, "fullgraph": True}


def no_kernels(x: Tensor) -> None:
    """Instead of backend.kernels_for: the operations compute with torch."""


@contextlib.contextmanager
def torch_forms() -> Iterator[None]:
    with mock.patch.object(backend, "kernels_for", no_kernels):
        yield


class CompiledNetwork(nn.Module):
    """A network's fast form, its operations compiled from torch's instead of our kernels."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = accelerate(network)
        self.network.compile(**FORM)

    def forward(self, *inputs, **options) -> Tensor:
        with torch_forms():
            return self.network(*inputs, **options)


def compiled_pipeline(pipeline: StableVideoDiffusionPipeline) -> StableVideoDiffusionPipeline:
    """diffusers' pipeline with a compiled UNet and a compiled decoder, both copies."""
    unet, vae = copy.deepcopy(pipeline.unet), copy.deepcopy(pipeline.vae)
    unet.compile(**FORM)
    vae.decoder.compile(**FORM)
    compiled = StableVideoDiffusionPipeline(**pipeline.components | {"unet": unet, "vae": vae})
    compiled.set_progress_bar_config(disable=True)
    return compiled
