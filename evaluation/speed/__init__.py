"""Time and memory, with random weights of Stable Video Diffusion's size."""
