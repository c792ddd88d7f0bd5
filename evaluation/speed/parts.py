# ruff: noqa: B023, B008 (every lambda is called before its variables change)
"""Where the time of a pass goes, and what the alternatives cost, for `speed --parts`."""

import time
from collections.abc import Callable

import torch
import torch.nn.functional as F

from .bench import Bench
from .compiled import torch_forms
from .operations import LINES, Operands


def milliseconds(run: Callable, repeats: int = 5) -> float:
    """The median of `repeats` runs after two."""
    cuda = torch.cuda.is_available()
    times = []
    for i in range(repeats + 2):
        if cuda:
            torch.cuda.synchronize()
        start = time.perf_counter()
        run()
        if cuda:
            torch.cuda.synchronize()
        if i > 1:
            times.append(1000 * (time.perf_counter() - start))
    return sorted(times)[repeats // 2]


def say(name: str, run: Callable, flops: float = 0.0, gigabytes: float = 0.0) -> None:
    try:
        took = milliseconds(run)
    except Exception as error:
        print(f"  {name}: FAILED {type(error).__name__}: {str(error)[:200]}", flush=True)
        return
    rate = f", {flops / took / 1e9:.0f} TFLOP/s" if flops else ""
    rate += f", {gigabytes / took:.2f} TB/s" if gigabytes else ""
    print(f"  {name}: {took:.3f} ms{rate}", flush=True)


@torch.no_grad()
def measure_parts(bench: Bench) -> None:
    models, size = bench.models, bench.size
    conditioning = models.condition(models.still)
    side, frames = conditioning.reference.shape[-1], size.frames

    def inputs(batch: int) -> tuple:
        sample = torch.randn(batch, frames, 8, side, side, device=models.device, dtype=models.dtype)
        time = torch.zeros(batch, device=models.device)
        embedding, time_ids = conditioning.image_embedding, conditioning.added_time_ids
        return sample, time, embedding.expand(batch, -1, -1), time_ids.expand(batch, -1)

    chunk = torch.randn(size.chunk_frames - 1, 4, side, side, device=models.device, dtype=models.dtype)
    flags = torch.zeros(1, len(chunk), device=models.device)
    for kind in ("plain", "fast"):
        for batch in (1, 2, 8):
            x = inputs(batch)
            say(f"UNet {kind}, batch {batch}", lambda kind=kind, x=x: bench.part("unet", kind)(*x))
        decoder = bench.part("decoder", kind)
        say(f"decoder {kind}, {len(chunk)} frames", lambda decoder=decoder: decoder(chunk, flags, len(chunk)))
    if models.device.type == "cuda":
        profile("UNet fast, batch 2", lambda x=inputs(2): bench.part("unet", "fast")(*x))
        profile("UNet fast, batch 8", lambda x=inputs(8): bench.part("unet", "fast")(*x))
        profile(f"decoder fast, {len(chunk)} frames", lambda: bench.part("decoder", "fast")(chunk, flags, len(chunk)))
    for benchmark in (False, True):
        torch.backends.cudnn.benchmark = benchmark
        print(f" alternatives, cuDNN's trials {'on' if benchmark else 'off'}", flush=True)
        alternatives(models.device, models.dtype, 2 * frames, side)
    torch.backends.cudnn.benchmark = False


def profile(name: str, run: Callable) -> None:
    """The kernels that take the most time of one run."""
    run()
    torch.cuda.synchronize()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as record:
        run()
        torch.cuda.synchronize()
    kernels = [event for event in record.key_averages() if event.self_device_time_total]
    total = sum(event.self_device_time_total for event in kernels)
    print(f" {name}: {total / 1000:.1f} ms in {sum(event.count for event in kernels)} kernels", flush=True)
    for event in sorted(kernels, key=lambda event: -event.self_device_time_total)[:24]:
        took = event.self_device_time_total
        print(f"  {took / 1000:8.2f} ms {100 * took / total:5.1f} % × {event.count:<4d} {event.key[:110]}", flush=True)


def alternatives(device: torch.device, dtype: torch.dtype, images: int, side: int) -> None:
    """Each operation in several forms, at the widths of SVD's UNet and decoder."""

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(shape, device=device, dtype=dtype)

    toy = device.type == "cpu"
    for width, s in ((320, side), (640, side // 2), (1280, side // 4)):
        width = width // 10 if toy else width
        x, pixels = random(images, s, s, width), images * s * s
        image, clip = x.permute(0, 3, 1, 2), x.view(2, images // 2, s * s, width)
        weight = random(width, width, 3, 3).contiguous(memory_format=torch.channels_last)
        say(f"3 × 3, {width} at {s}²", lambda: F.conv2d(image, weight, padding=1), 18 * pixels * width**2)
        if s == side:
            flat, plain = image.contiguous(), weight.contiguous()
            say(
                f"3 × 3, {width} at {s}², channels first",
                lambda: F.conv2d(flat, plain, padding=1),
                18 * pixels * width**2,
            )
        temporal = random(width, width, 3, 1).contiguous(memory_format=torch.channels_last)
        frames = clip.permute(0, 3, 1, 2)
        flops = 6 * pixels * width**2
        say(f"temporal, {width}, 2-d", lambda: F.conv2d(frames, temporal, padding=(1, 0)), flops)
        form = torch.channels_last_3d
        volume, cube = frames.unflatten(3, (s, s)), temporal[..., None].contiguous(memory_format=form)
        say(f"temporal, {width}, 3-d", lambda: F.conv3d(volume, cube, padding=(1, 0, 0)), flops)
        first, plain = volume.contiguous(), temporal[..., None].contiguous()
        say(f"temporal, {width}, 3-d, channels first", lambda: F.conv3d(first, plain, padding=(1, 0, 0)), flops)
        matrix = random(3 * width, width)

        def gathered(clip=clip, matrix=matrix):
            padded = F.pad(clip, (0, 0, 0, 0, 1, 1))
            return torch.cat([padded[:, :-2], padded[:, 1:-1], padded[:, 2:]], dim=-1) @ matrix

        say(f"temporal, {width}, gathered matrix", gathered, flops)

        def summed(clip=clip, matrix=matrix, width=width):
            out = clip.flatten(0, 2) @ matrix[width : 2 * width]
            rows = clip.shape[2]
            for i, b in enumerate(clip):
                own = out.view(clip.shape)[i].flatten(0, 1)
                own[rows:].addmm_(b[:-1].flatten(0, 1), matrix[:width])
                own[:-rows].addmm_(b[1:].flatten(0, 1), matrix[2 * width :])
            return out

        say(f"temporal, {width}, three matrices", summed, flops)
        tokens = x.view(images, s * s, width)
        heads = tokens.unflatten(-1, (-1, 16 if toy else 64)).transpose(1, 2)
        flops = 4 * images * s**4 * width
        for backend in ("CUDNN_ATTENTION", "FLASH_ATTENTION"):
            with torch.nn.attention.sdpa_kernel(getattr(torch.nn.attention.SDPBackend, backend)):
                say(
                    f"attention, {width} at {s}², {backend}",
                    lambda: F.scaled_dot_product_attention(heads, heads, heads),
                    flops,
                )
        wide, narrow = random(8 * width, width), random(width, 4 * width)
        y = random(images, s * s, 4 * width)
        say(f"feed-forward in, {width}", lambda: F.linear(tokens, wide), 16 * pixels * width**2)
        say(f"feed-forward out, {width}", lambda: F.linear(y, narrow), 8 * pixels * width**2)
        say(f"projection, {width}", lambda: F.linear(tokens, wide[:width]), 2 * pixels * width**2)
        size = x.numel() * x.element_size() / 1e9
        operands = Operands.of(x, groups=4 if toy else 32, heads=width // (16 if toy else 64))
        for line in LINES:
            say(f"{line.name}, {width}", lambda: line.run(operands), 0, line.sizes * size)
            with torch_forms():
                say(f"{line.name} of torch, {width}", lambda: line.run(operands), 0, line.sizes * size)
    for width, s in ((1280, side // 8), (1280, side // 4), (640, side // 2)):
        width = width // 10 if toy else width
        x = random(images, s, s, width).permute(0, 3, 1, 2)
        upsampling(x, f"upsampling, {width} at {s}²")
    for width, s in ((512, 2 * side), (256, 4 * side)):
        x = random(7, s, s, width // 8 if toy else width).permute(0, 3, 1, 2)
        upsampling(x, f"upsampling, {width} at {s}², 7 images")
    x = random(7, 8 * side, 8 * side, 16 if toy else 128).permute(0, 3, 1, 2)
    weight = random(x.shape[1], x.shape[1], 3, 3).contiguous(memory_format=torch.channels_last)
    flops = 18 * x.numel() * x.shape[1]
    say(f"3 × 3, {x.shape[1]} at {8 * side}², 7 images", lambda: F.conv2d(x, weight, padding=1), flops)
    colors = random(3, x.shape[1], 3, 3)
    say(f"3 × 3 to colours at {8 * side}²", lambda: F.conv2d(x, colors, padding=1))
    eight = random(8, x.shape[1], 3, 3).contiguous(memory_format=torch.channels_last)
    say(f"3 × 3 to eight channels at {8 * side}²", lambda: F.conv2d(x, eight, padding=1))
    clip, mixing = random(1, 3, 7, 64 * side * side), random(3, 3, 3, 1)
    say("colours over frames, 2-d", lambda: F.conv2d(clip, mixing, padding=(1, 0)))
    last = clip.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
    say("colours over frames, 2-d channels-last", lambda: F.conv2d(last, mixing, padding=(1, 0)))
    volume = clip.unflatten(3, (8 * side, 8 * side))
    say("colours over frames, 3-d", lambda: F.conv3d(volume, mixing[..., None], padding=(1, 0, 0)))


def upsampling(x: torch.Tensor, name: str) -> None:
    width = x.shape[1]
    weight = torch.randn(width, width, 3, 3, device=x.device, dtype=x.dtype).contiguous(
        memory_format=torch.channels_last
    )
    kernel = torch.randn(width, width, 4, 4, device=x.device, dtype=x.dtype).contiguous(
        memory_format=torch.channels_last
    )

    def plain():
        return F.conv2d(F.interpolate(x, scale_factor=2.0, mode="nearest"), weight, padding=1)

    def windows():
        corners = weight[:, :, :2, :2].repeat(4, 1, 1, 1).contiguous(memory_format=torch.channels_last)
        return F.conv2d(x, corners, padding=1)

    flops = 18 * 4 * x.numel() * width
    say(f"{name}, nearest and convolution", plain, flops)
    say(f"{name}, transposed", lambda: F.conv_transpose2d(x, kernel, stride=2, padding=1), flops)
    say(f"{name}, four windows without the shuffle", windows, flops)
