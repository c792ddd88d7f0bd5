"""One video of several segments, made in several ways and timed: what `ladder` puts into a table."""

import copy
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from diffusers import StableVideoDiffusionPipeline
from torch import Tensor, nn

from ...model_loaders import memory
from ...model_loaders.animator import Animator
from ...networks.fast import accelerate
from ...networks.fast.single_token import SingleTokenAttention
from ...networks.fast.transfer import one_behind
from ...networks.motion_unet import MotionUNet
from ...pipeline.animate_still import animate_still
from ...pipeline.extend import extend_animation
from ...pipeline.frames import frames_of
from ...pipeline.plan import plan
from ...pipeline.settings import ExtendSettings, Settings
from ...sampling.conditioning import Conditioning
from ...sampling.denoiser import make_denoiser
from ...sampling.guidance import guidance_scales, guided, guided_in_one_pass
from ...sampling.joins import RESTART, plan_joins
from ...sampling.phased import extend
from ...sampling.schedule import karras_sigmas
from ...sampling.trajectory import extension_noise, sample_trajectory
from .compiled import CompiledNetwork
from .models import SIGMAS, Models, as_animator
from .plain_loop import plain_loop

GAMMA, OMEGA, CFG, SEED = 0.8, 0.2, (1.0, 3.0), 0


@dataclass(frozen=True)
class Way:
    """How a phased video is computed: which networks, and what is done side by side."""

    name: str
    plain: bool = False  # a loop of its own, apart from the pack's sampling
    unet: str = "plain"  # plain, token (cached cross-attention), fast, compiled
    decoder: str = "plain"  # plain, fast, compiled
    batched: bool = False  # the segments of the second phase in one batch
    one_pass: bool = False  # both halves of the guidance in one batch
    behind: bool = False  # frames are copied to main memory while the next ones are decoded


@dataclass(frozen=True)
class Start:
    """What a phased video begins with."""

    conditioning: Conditioning  # on the device
    sigmas: Tensor  # [T + 1]
    noise: Tensor  # [L, c, h, w], on the device
    generator: torch.Generator  # of the second phase's noise


@dataclass
class Run:
    seconds: float
    warm_up: float  # seconds that kernels are chosen and built in
    memory: float  # GiB at the peak
    passes: int  # of the UNet, one segment without guidance each
    latents: Tensor | None = None
    frames: Tensor | None = None
    stages: dict[str, float] = field(default_factory=dict)


class Stages:
    """Seconds of each stage, which all end with a copy to main memory."""

    def __init__(self):
        self.seconds, self.start = {}, time.perf_counter()

    def end(self, name: str) -> None:
        now = time.perf_counter()
        self.seconds[name], self.start = now - self.start, now


class Bench:
    def __init__(self, models: Models):
        self.models, self.size, self.device = models, models.size, models.device
        self.parts: dict[tuple[str, str], nn.Module] = {}

    def synchronize(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def measure(self, warm_up: Callable[[], tuple], run: Callable[[], tuple]) -> Run:
        self.synchronize()
        start = time.perf_counter()
        warm_up()
        self.synchronize()
        before = time.perf_counter() - start
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        start = time.perf_counter()
        latents, frames, passes, stages = run()
        self.synchronize()
        seconds = time.perf_counter() - start
        peak = torch.cuda.max_memory_allocated() / 2**30 if self.device.type == "cuda" else float("nan")
        return Run(seconds, before, peak, passes, latents, frames, stages)

    def part(self, name: str, kind: str) -> nn.Module:
        """A UNet or decoder of this kind; those that are changed are copies."""
        if (name, kind) not in self.parts:
            module = MotionUNet(self.models.unet) if name == "unet" else self.models.vae.decoder
            if kind != "plain":
                module = copy.deepcopy(module)
            if kind == "token":
                for attention in (child for key, child in module.named_modules() if key.endswith(".attn2")):
                    attention.set_processor(SingleTokenAttention())
            change = {"fast": accelerate, "compiled": CompiledNetwork}.get(kind)
            self.parts[name, kind] = change(module) if change else module
        return self.parts[name, kind]

    @cached_property
    def animator(self) -> Animator:
        """Copies of the networks as Load Animation Model gives them."""
        return as_animator(self.models, "bf16" if self.models.dtype == torch.bfloat16 else "fp32")

    @torch.no_grad()
    def chained(self, pipeline: StableVideoDiffusionPipeline, *, segments: int, steps: int) -> tuple:
        image, videos = self.models.still, []
        for segment in range(segments):
            frames = pipeline(
                image,
                height=self.size.side,
                width=self.size.side,
                num_frames=self.size.frames,
                num_inference_steps=steps,
                min_guidance_scale=CFG[0],
                max_guidance_scale=CFG[1],
                decode_chunk_size=self.size.chunk_frames,
                generator=torch.Generator().manual_seed(segment),
            ).frames[0]
            videos += frames
            image = frames[-1]
        return None, None, 2 * segments * steps, {}

    def start(self, steps: int) -> Start:
        """As diffusers encodes the still."""
        conditioning, generator = self.models.condition(self.models.still), torch.Generator().manual_seed(SEED)
        noise = torch.randn(conditioning.reference.shape, generator=generator).to(self.device)
        return Start(conditioning, karras_sigmas(steps, **SIGMAS), noise, generator)

    @property
    def still(self) -> Tensor:
        """[1, 3, H, W] −1..1."""
        return torch.from_numpy(np.array(self.models.still)).permute(2, 0, 1)[None].float() / 127.5 - 1

    def settings(self, steps: int) -> Settings:
        """Of Animate Image."""
        return Settings(seed=SEED, steps=steps, cfg_min=CFG[0], cfg_max=CFG[1], frames=self.size.frames)

    def planned_start(self, steps: int) -> Start:
        """What `through_the_nodes` begins with, for a plain loop to begin with as well."""
        made = plan(self.animator, self.still, None, self.settings(steps))
        conditioning = made.conditioning.to(self.device, self.models.dtype)
        return Start(conditioning, made.sigmas, made.noise.to(self.device), extension_noise(SEED))

    @torch.no_grad()
    def through_the_nodes(self, *, segments: int, steps: int) -> tuple:
        """What Animate Image, Extend Animation and Decode Animation call."""
        stages, passes = Stages(), 0

        def count(network: nn.Module, inputs: tuple) -> None:
            nonlocal passes
            passes += len(inputs[0])

        total = segments * self.size.frames
        extension = ExtendSettings(total, gamma=GAMMA, omega=OMEGA, seed=SEED, joins=RESTART)
        hook = memory.unwrap(self.animator.unet).register_forward_pre_hook(count)
        try:
            animation = animate_still(self.animator, self.still, None, self.settings(steps))
            stages.end("first segment")
            longer = extend_animation(animation, extension)
            stages.end("other segments")
            frames, first = torch.empty(total, 3, self.size.side, self.size.side), 0
            for part in frames_of(longer, chunk_frames=self.size.chunk_frames):
                frames[first : first + len(part)] = part
                first += len(part)
            stages.end("decoding")
        finally:
            hook.remove()
        return longer.latents, frames, passes, stages.seconds

    @torch.no_grad()
    def phased(self, way: Way, *, segments: int, steps: int, start_of: Callable[[int], Start] | None = None) -> tuple:
        """start_of(steps) is what it begins with; None is `start`."""
        stages, passes = Stages(), 0

        def count(segments: int) -> None:
            nonlocal passes
            passes += segments

        start = (start_of or self.start)(steps)
        conditioning, network = start.conditioning, self.part("unet", way.unet)
        scale = guidance_scales(*CFG, self.size.frames).to(self.device)
        scaling = self.models.vae.config.scaling_factor
        conditional = make_denoiser(network, conditioning, count=count)
        if way.one_pass:
            denoise = guided_in_one_pass(network, conditioning, scale, count=count)
        else:
            denoise = guided(conditional, make_denoiser(network, conditioning.unconditional(), count=count), scale)
        prior = conditioning.reference * scaling
        common = {"gamma": GAMMA, "omega": OMEGA, "generator": start.generator}
        if way.plain:
            latents = plain_loop(conditional, denoise, start.noise, start.sigmas, prior, segments=segments, **common)
        else:
            trajectory = sample_trajectory(denoise, start.noise, start.sigmas)
            stages.end("first segment")

            def denoise_windows(windows, sigma, starts):
                x, sigma = torch.stack(windows).to(self.device), sigma.to(self.device)
                return [x0.cpu() for part in x.split(len(x) if way.batched else 1) for x0 in denoise(part, sigma)]

            total = segments * self.size.frames
            change = torch.zeros(start.noise.shape[-2:])
            timeline = plan_joins(RESTART, segment=self.size.frames, total_frames=total, change=change)
            latents = extend(conditional, denoise_windows, trajectory, timeline, prior, **common)
        stages.end("segments" if way.plain else "other segments")
        frames = self.decode(way, latents / scaling)
        stages.end("decoding")
        return latents, frames, passes, stages.seconds

    def decode(self, way: Way, latents: Tensor) -> Tensor:
        """Unscaled [N, c, h, w] → [N, 3, H, W] float32, in main memory; no chunk crosses a join."""
        decoder, dtype = self.part("decoder", way.decoder), self.models.dtype
        pieces = -(-self.size.frames // self.size.chunk_frames)
        chunks = [chunk for segment in latents.split(self.size.frames) for chunk in segment.tensor_split(pieces)]

        def decoded() -> Iterator[Tensor]:
            for chunk in chunks:
                yield decoder(chunk.to(self.device, dtype), chunk.new_zeros(1, len(chunk)).to(self.device), len(chunk))

        if way.behind:
            frames, first = torch.empty(len(latents), 3, self.size.side, self.size.side), 0
            for part in one_behind(decoded()):
                frames[first : first + len(part)] = part
                first += len(part)
            return frames
        return torch.cat([frames.float().cpu() for frames in decoded()])
