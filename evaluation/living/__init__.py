"""Regions that live: pictures of water, clouds and grass, and clips of real ones."""
