import os
import sys

import pytest
import torch
from noise import randn
from tiny import EMBEDDING, FRAMES, tiny_unet

from driftfield.sampling.conditioning import Conditioning

SHAPE = (FRAMES, 4, 8, 8)


class Gaussian:
    """The exact denoiser of data of standard deviation `deviation`; remembers the sigmas that it saw, one a segment."""

    def __init__(self, deviation=0.5):
        self.deviation = deviation
        self.seen = []
        self.inputs = []

    def __call__(self, x, sigma):
        sigma = torch.as_tensor(sigma).expand(len(x))
        self.seen += sigma.tolist()
        self.inputs.append(x.clone())
        return x * (self.deviation**2 / (self.deviation**2 + sigma.view(-1, 1, 1, 1, 1) ** 2))


@pytest.fixture
def gaussian():
    return Gaussian


@pytest.fixture
def noise():
    return randn(*SHAPE)


@pytest.fixture
def prior():
    return randn(1, *SHAPE[1:], seed=1).expand(*SHAPE)


@pytest.fixture(scope="session")
def unet():
    return tiny_unet()


@pytest.fixture
def network(unet):
    """diffusers' UNet with MotionUNet.forward's signature."""

    def forward(sample, timestep, image_embedding, added_time_ids, *, motion, motion_scale, strength_percent):
        assert motion is None and strength_percent is None
        return unet(sample, timestep, image_embedding, added_time_ids).sample

    return forward


@pytest.fixture
def conditioning():
    return Conditioning(
        image_embedding=randn(1, 1, EMBEDDING, seed=2),
        reference=randn(*SHAPE, seed=3),
        added_time_ids=torch.tensor([[6.0, 127.0, 0.02]]),
    )


@pytest.fixture(scope="module")
def comfy_sampling():
    """ComfyUI's k-diffusion functions."""
    folder = os.environ.get("COMFYUI_DIR")
    if not folder:
        pytest.skip("COMFYUI_DIR is not set: ComfyUI's samplers are not there to plug in")
    sys.path.append(folder)
    try:
        from comfy.cli_args import args

        args.cpu = not torch.cuda.is_available()
        import comfy.k_diffusion.sampling as sampling
    finally:
        sys.path.remove(folder)
    return sampling
