"""The animator's networks: new ones by a preset, SVD's, or those of an earlier run."""

from types import SimpleNamespace

from diffusers import AutoencoderKLTemporalDecoder, UNetSpatioTemporalConditionModel
from torch import nn
from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModelWithProjection

from ...model_loaders.adapter import load_adapter
from ...networks.motion_unet import AdapterConfig, MotionAdapter, MotionUNet
from .svd import freeze_spatial_layers, load_svd


def build_unet(options: SimpleNamespace) -> UNetSpatioTemporalConditionModel:
    widths = tuple(options.block_out_channels)
    levels = len(widths)
    return UNetSpatioTemporalConditionModel(
        sample_size=32,
        in_channels=2 * options.latent_channels,
        out_channels=options.latent_channels,
        down_block_types=("CrossAttnDownBlockSpatioTemporal",) * (levels - 1) + ("DownBlockSpatioTemporal",),
        up_block_types=("UpBlockSpatioTemporal",) + ("CrossAttnUpBlockSpatioTemporal",) * (levels - 1),
        block_out_channels=widths,
        layers_per_block=1,
        cross_attention_dim=options.cross_attention_dim,
        num_attention_heads=tuple(width // 32 for width in widths),
        num_frames=options.frames,
    )


def build_image_encoder(projection: int) -> CLIPVisionModelWithProjection:
    sizes = {"hidden_size": 128, "intermediate_size": 512, "num_hidden_layers": 4, "num_attention_heads": 4}
    return CLIPVisionModelWithProjection(CLIPVisionConfig(**sizes, patch_size=32, projection_dim=projection))


def build_processor() -> CLIPImageProcessor:
    """SVD's."""
    return CLIPImageProcessor(size={"shortest_edge": 224}, crop_size=224)


def build_models(options: SimpleNamespace) -> tuple[MotionUNet, nn.Module, nn.Module]:
    """Network, image encoder and VAE: SVD's with a new adapter, those of an earlier run, or new ones by the preset.

    Raises ValueError where the preset's model has to be named, or where network and autoencoder do not fit together.
    """
    start, vae = options.start and options.start / "animator", None
    if options.model is not None:
        unet, vae, image_encoder = load_svd(options.model)
    if start is not None:
        unet = UNetSpatioTemporalConditionModel.from_pretrained(start / "unet").float()
        image_encoder = CLIPVisionModelWithProjection.from_pretrained(start / "image_encoder").float()
    if vae is None:
        folder = options.autoencoder or (start and start / "vae")
        if folder is None:
            raise ValueError("--autoencoder: missing, needed: its folder; or --model, or --start")
        vae = AutoencoderKLTemporalDecoder.from_pretrained(folder).float()
    options.latent_channels, options.scaling_factor = vae.config.latent_channels, vae.config.scaling_factor
    if start is None and options.model is None:
        if not hasattr(options, "block_out_channels"):
            raise ValueError(f"--model: missing, needed: the SVD that preset {options.preset} starts from; or --start")
        unet, image_encoder = build_unet(options), build_image_encoder(options.cross_attention_dim)
    if unet.config.out_channels != options.latent_channels:
        got, allowed = unet.config.out_channels, options.latent_channels
        raise ValueError(f"animator: made for {got} latent channels, but the autoencoder has {allowed}")
    if start is None:
        adapter = new_adapter(unet, options)
    else:
        adapter = load_adapter(options.start / "motion_adapter.safetensors")
    return join(unet, adapter, image_encoder, options), image_encoder, vae.eval().requires_grad_(False)


def new_adapter(unet: nn.Module, options: SimpleNamespace) -> MotionAdapter:
    return MotionAdapter(
        AdapterConfig.for_unet(unet, base_channels=options.motion_channels, reference=options.reference)
    )


def join(unet: nn.Module, adapter: MotionAdapter, image_encoder: nn.Module, options: SimpleNamespace) -> MotionUNet:
    """UNet and adapter as one; everything is trained, or what sees several frames alone: options.trained."""
    if options.trained not in ("all", "temporal"):
        raise ValueError(f"trained: got {options.trained!r}, allowed 'all' or 'temporal'")
    network = MotionUNet(unet, adapter).train().requires_grad_(True)
    image_encoder.train().requires_grad_(True)
    if options.trained == "temporal":
        freeze_spatial_layers(unet)
        image_encoder.eval().requires_grad_(False)
    return network
