"""Pure functions on motion arrows and optical flow: no ComfyUI, no networks, no files but .flo."""
