"""Sampling as pure loops over `denoise(x, sigma) -> x0`, in the style of k-diffusion.

x is [K, L, c, h, w]: K segments of L frames of scaled latents, float32. Nothing here knows ComfyUI, checkpoints or
devices; whatever a loop needs is passed in. The trajectory comes back on the CPU.
"""
