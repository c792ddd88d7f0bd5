"""Triton kernels over channels-last data, where Triton is installed: one read and one write where eager torch has many.

A file is an operation: kernels, kernels of the gradient, and `launch`, which makes a torch operation of them. Every sum
is kept in float32; sums of a gradient over rows are left as one number for each block of rows and channel, which torch
adds up. Rows are 64-bit: a batch of long clips has more than 2³¹ numbers.
"""

from . import add_bias, add_layer_norm, attend_over_frames, convolve_frames, gated_gelu, gated_linear, group_norm, mix

__all__ = [
    "add_bias",
    "add_layer_norm",
    "attend_over_frames",
    "convolve_frames",
    "gated_gelu",
    "gated_linear",
    "group_norm",
    "mix",
]
