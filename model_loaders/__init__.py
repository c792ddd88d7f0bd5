"""Reads model files and asks ComfyUI for devices and memory; nothing else in the pack does either."""
