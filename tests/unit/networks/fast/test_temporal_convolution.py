"""Temporal convolutions over flattened pixels equal diffusers' own."""

import torch
from tiny import tiny_unet, tiny_vae
from torch import nn

from driftfield.networks.fast.temporal_convolution import TemporalConvolution, flatten_temporal_convolutions


def test_the_decoder_computes_the_same():
    vae = tiny_vae()
    latents = torch.randn(5, vae.config.latent_channels, 8, 8, generator=torch.Generator().manual_seed(0))
    names = list(vae.state_dict())
    with torch.no_grad():
        expected = vae.decode(latents, num_frames=5).sample
        assert flatten_temporal_convolutions(vae) is vae
        torch.testing.assert_close(vae.decode(latents, num_frames=5).sample, expected, atol=1e-5, rtol=1e-5)
    assert list(vae.state_dict()) == names
    assert isinstance(vae.decoder.time_conv_out, TemporalConvolution)


def test_all_of_a_unet_and_nothing_else():
    unet = flatten_temporal_convolutions(tiny_unet())
    assert all(type(m) is TemporalConvolution for m in unet.modules() if isinstance(m, nn.Conv3d))
    others = nn.ModuleList([nn.Conv3d(2, 2, 3), nn.Conv3d(2, 2, (3, 1, 1), stride=(2, 1, 1)), nn.Conv2d(2, 2, (3, 1))])
    flatten_temporal_convolutions(others)
    assert [type(m) for m in others] == [nn.Conv3d, nn.Conv3d, nn.Conv2d]
