"""Figures of merit, one a file: pure functions of frames (-1..1), flow (px/frame) and arrows."""
