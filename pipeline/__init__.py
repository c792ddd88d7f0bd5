"""Runs a prompt: from a picture and its motion to latents, a longer video, frames and a file.

`animate_still.py` is all of it in one call, and the order that everything else keeps to.
"""
