"""SVD in its original single-file layout, made of ComfyUI's own modules with random weights, for tests."""

import math
from dataclasses import dataclass

import torch
from safetensors.torch import save_file

UNET = "model.diffusion_model."
STAGE = "first_stage_model."
EMBEDDER = "conditioner.embedders.3.encoder."
CLIP = "conditioner.embedders.0.open_clip.model.visual."
FRAMES = 3
SIGMA = 3.0


@dataclass(frozen=True)
class Size:
    """The layout's numbers; ComfyUI's own classes take them all."""

    channels: int  # of the UNet's first level
    levels: tuple[int, ...]  # multiples of them; all but the last have attention
    layers: int
    vae_channels: int
    clip_width: int
    clip_layers: int
    clip_patch: int
    embedding: int

    def unet(self):
        attended = (len(self.levels) - 1) * [1]
        return {
            "image_size": 32,
            "in_channels": 8,
            "out_channels": 4,
            "model_channels": self.channels,
            "num_res_blocks": [self.layers] * len(self.levels),
            "channel_mult": list(self.levels),
            "transformer_depth": [d for d in (*attended, 0) for _ in range(self.layers)],
            "transformer_depth_output": [d for d in (*attended, 0) for _ in range(self.layers + 1)],
            "transformer_depth_middle": 1,
            "use_spatial_transformer": True,
            "legacy": False,
            "num_classes": "sequential",
            "adm_in_channels": 768,
            "context_dim": self.embedding,
            "use_linear_in_transformer": True,
            "use_temporal_attention": True,
            "use_temporal_resblock": True,
            "extra_ff_mix_layer": True,
            "use_spatial_context": True,
            "merge_strategy": "learned_with_images",
            "merge_factor": 0.0,
            "video_kernel_size": [3, 1, 1],
            "disable_temporal_crossattention": False,
            "dtype": torch.float32,
        }

    def vae(self):
        return {
            "double_z": True,
            "z_channels": 4,
            "resolution": 256,
            "in_channels": 3,
            "out_ch": 3,
            "ch": self.vae_channels,
            "ch_mult": [1, 2, 4, 4],
            "num_res_blocks": 2,
            "attn_resolutions": [],
            "dropout": 0.0,
        }

    def clip(self):
        return {
            "hidden_act": "gelu",
            "hidden_size": self.clip_width,
            "image_size": 224,
            "intermediate_size": 4 * self.clip_width,
            "model_type": "clip_vision_model",
            "num_attention_heads": self.clip_width // 80,
            "num_channels": 3,
            "num_hidden_layers": self.clip_layers,
            "patch_size": self.clip_patch,
            "projection_dim": self.embedding,
        }

    def clip_shapes(self):
        """open_clip's names, which ComfyUI has no module for."""
        w = self.clip_width
        shapes = {
            "class_embedding": (w,),
            "positional_embedding": ((224 // self.clip_patch) ** 2 + 1, w),
            "conv1.weight": (w, 3, self.clip_patch, self.clip_patch),
            "proj": (w, self.embedding),
        }
        layer = {"attn.in_proj_": (3, 1), "attn.out_proj.": (1, 1), "mlp.c_fc.": (4, 1), "mlp.c_proj.": (1, 4)}
        for i in range(self.clip_layers):
            for name, (rows, columns) in layer.items():
                shapes[f"transformer.resblocks.{i}.{name}weight"] = (rows * w, columns * w)
                shapes[f"transformer.resblocks.{i}.{name}bias"] = (rows * w,)
        norms = [f"transformer.resblocks.{i}.ln_{j}" for i in range(self.clip_layers) for j in (1, 2)]
        return shapes | {f"{n}.{p}": (w,) for n in ("ln_pre", "ln_post", *norms) for p in ("weight", "bias")}


REDUCED = Size(64, (1, 2, 2), 1, 32, 160, 2, 32, 96)
DEEPER = Size(64, (1, 1), 2, 64, 80, 1, 32, 64)
REAL = Size(320, (1, 2, 4, 4), 2, 128, 1280, 32, 14, 1024)


def random_(tensors, generator):
    """Fills in place so that values neither vanish nor grow, and every tensor matters."""
    for key, tensor in tensors.items():
        tensor.normal_(generator=generator)
        if tensor.ndim > 1:
            tensor /= math.sqrt(tensor[0].numel())
        elif "mix_factor" not in key:
            tensor *= 0.1
            if key.endswith("weight"):
                tensor += 1
    return tensors


@torch.no_grad()
def comfy_svd(size, path):
    """Writes an original file of ComfyUI's modules with random weights; returns inputs and what ComfyUI computes."""
    from comfy import clip_model, clip_vision, model_base, ops, supported_models
    from comfy.ldm.models.autoencoder import AutoencodingEngine

    generator = torch.Generator().manual_seed(0)
    base = model_base.SVD_img2vid(supported_models.SVD_img2vid(size.unet())).eval()
    stage = AutoencodingEngine(
        regularizer_config={"target": "comfy.ldm.models.autoencoder.DiagonalGaussianRegularizer"},
        encoder_config={"target": "comfy.ldm.modules.diffusionmodules.model.Encoder", "params": size.vae()},
        decoder_config={
            "target": "comfy.ldm.modules.temporal_ae.VideoDecoder",
            "params": {**size.vae(), "video_kernel_size": [3, 1, 1], "alpha": 0.0},
        },
    ).eval()
    unet = random_(base.diffusion_model.state_dict(), generator)
    random_(stage.state_dict(), generator)
    embedder = {f"encoder.{key}": value.clone() for key, value in stage.encoder.state_dict().items()}
    quant = torch.eye(8) + 0.3 * torch.randn(8, 8, generator=generator)
    shift = 0.1 * torch.randn(8, generator=generator)
    embedder |= {"quant_conv.weight": quant[:, :, None, None].clone(), "quant_conv.bias": shift}
    last = stage.encoder.conv_out  # the first stage has quant_conv merged
    last.weight.copy_(torch.einsum("oi,ihwk->ohwk", quant, last.weight))
    last.bias.copy_(quant @ last.bias + shift)
    clip = random_({key: torch.empty(shape) for key, shape in size.clip_shapes().items()}, generator)

    original = {
        **{UNET + key: value for key, value in unet.items()},
        **{STAGE + key: value for key, value in stage.state_dict().items()},
        **{EMBEDDER + key: value for key, value in embedder.items()},
        **{CLIP + key: value for key, value in clip.items()},
        "conditioner.embedders.0.open_clip.model.logit_scale": torch.ones(()),  # such keys lie in the files too
        EMBEDDER + "decoder.conv_in.weight": torch.zeros(1),
    }
    save_file({key: value.contiguous() for key, value in original.items()}, path)

    edge = 2 ** len(size.levels)
    inputs = {
        "x": SIGMA * torch.randn(FRAMES, 4, edge, 2 * edge, generator=generator),
        "reference": torch.randn(FRAMES, 4, edge, 2 * edge, generator=generator),
        "context": torch.randn(1, 1, size.embedding, generator=generator),
        "image": torch.rand(1, 3, 64, 128, generator=generator) * 2 - 1,
        "latents": torch.randn(FRAMES, 4, 8, 16, generator=generator),
        "pixels": torch.randn(1, 3, 224, 224, generator=generator),
    }
    encoder = clip_model.CLIPVisionModelProjection(size.clip(), torch.float32, "cpu", ops.disable_weight_init)
    clip = clip_vision.convert_to_transformers({CLIP + key: value for key, value in clip.items()}, CLIP)
    encoder.load_state_dict(clip, assign=True)
    expected = {
        "denoised": base.apply_model(
            inputs["x"],
            torch.full((FRAMES,), SIGMA),
            c_concat=inputs["reference"],
            c_crossattn=inputs["context"].expand(FRAMES, -1, -1),
            y=base.encode_adm(fps=7, motion_bucket_id=90, augmentation_level=0.02).expand(FRAMES, -1),
            num_video_frames=FRAMES,
        ),
        "encoded": stage.encode(inputs["image"]),
        "decoded": stage.decode(inputs["latents"]),
        "embedding": encoder.eval()(pixel_values=inputs["pixels"], intermediate_output=-2)[2],
    }
    return inputs, expected
