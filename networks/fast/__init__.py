"""SVD's blocks rewritten for speed: the same parameters, the same results and gradients up to rounding.

What is different: data stays channels-last, where a temporal convolution is a 2-d one over [frames, pixels] and a
transformer's tokens are a view; cross-attention to the one image token is computed once for all queries; biases, time
embeddings, residuals, activations and mixes join the pass over the data that comes next; a nearest upsampling and its
convolution are one transposed convolution.

An operation that networks repeat is a file: a single pass over data [N, …, C], N samples, C channels last and
contiguous, by the Triton kernels of the file's name in `kernels/` on a GPU, else by torch. All but attention keep sums
in float32.
"""

import torch
from diffusers.models.autoencoders.autoencoder_kl_temporal_decoder import TemporalDecoder
from diffusers.models.autoencoders.vae import Encoder
from diffusers.models.resnet import SpatioTemporalResBlock
from diffusers.models.transformers.transformer_temporal import TransformerSpatioTemporalModel
from diffusers.models.unets.unet_3d_blocks import CrossAttnUpBlockSpatioTemporal, UpBlockSpatioTemporal
from diffusers.models.unets.unet_spatio_temporal_condition import UNetSpatioTemporalConditionModel
from diffusers.models.upsampling import Upsample2D
from torch import nn

from ..motion_encoder import ResidualBlock
from .blocks import FastDecoder, FastResBlock, FastResidualBlock, FastUpBlock, FastUpsample, NormWithSiLU
from .encoder import FastEncoder
from .layers import Block
from .replacement import replace_modules
from .transformer import FastTransformer

FAST = {
    ResidualBlock: FastResidualBlock,
    SpatioTemporalResBlock: FastResBlock,
    TransformerSpatioTemporalModel: FastTransformer,
    Upsample2D: FastUpsample,
    UpBlockSpatioTemporal: FastUpBlock,
    CrossAttnUpBlockSpatioTemporal: FastUpBlock,
    TemporalDecoder: FastDecoder,
    Encoder: FastEncoder,
}


def accelerate(network: nn.Module) -> nn.Module:
    """Rewrites a UNetSpatioTemporalConditionModel or a MotionUNet in place and returns it; of a TemporalDecoder or one
    block it returns the module to put in its place.

    Parameters keep their names and values; on a GPU convolution weights change their memory format. A second call does
    nothing. image_only_indicator counts as zero and the token of frame 0 as every frame's, as both networks have it.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d) and module.weight.is_cuda:
            form = torch.channels_last if module.weight.ndim == 4 else torch.channels_last_3d
            module.weight.data = module.weight.data.contiguous(memory_format=form)
        if isinstance(module, UNetSpatioTemporalConditionModel) and isinstance(module.conv_act, nn.SiLU):
            unet: Block = module
            unet.conv_norm_out, unet.conv_act = NormWithSiLU(unet.conv_norm_out), nn.Identity()

    def fast(name: str, module: nn.Module) -> nn.Module | None:
        kind = FAST.get(type(module))
        return kind(module) if kind is not None and kind.fits(module) else None

    return replace_modules(network, fast)
