"""Phased inference with shared noise written out once more, one pass after the other: what faster ways are held to."""

import torch

from ...sampling.schedule import init_noise_scale, phase_boundary


@torch.no_grad()
def plain_loop(conditional, denoise, noise, sigmas, prior, *, segments, gamma, omega, generator):
    """[segments · L, c, h, w] in main memory, from noise [L, c, h, w]; `sampling.phased` draws the same numbers."""

    def euler(x, first):
        estimates = []
        for sigma, following in zip(sigmas[first:-1].tolist(), sigmas[first + 1 :].tolist(), strict=True):
            estimate = denoise(x[None], torch.tensor(sigma))[0]
            estimates.append(estimate.cpu())
            x = x + (x - estimate) / sigma * (following - sigma)
        return x.cpu(), estimates

    video, estimates = euler(noise * init_noise_scale(sigmas[0].item()), 0)
    first = phase_boundary(len(sigmas) - 1, gamma)
    if segments == 1 or first == len(sigmas) - 1:
        return video.repeat(segments, 1, 1, 1)
    sigma = sigmas[first]
    noisy = prior.float() + sigma * torch.randn(prior.shape, generator=generator).to(prior.device)
    predicted = ((noisy - conditional(noisy[None], sigma)[0]) / sigma).cpu()  # eq. 10
    mixed = predicted + omega * torch.randn((segments - 1, *prior.shape), generator=generator)  # eq. 11
    mixed = torch.stack([segment / segment.std() for segment in mixed]).flatten(0, 1)
    mixed = mixed[torch.randperm(len(mixed), generator=generator)].view(segments - 1, *prior.shape)  # eq. 12
    starts = (estimates[first] + sigma * mixed).to(noise.device)
    return torch.cat([video, *(euler(start, first)[0] for start in starts)])
