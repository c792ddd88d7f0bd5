"""Torch modules of the method; no files, no ComfyUI."""
