"""Measuring what a model does: metrics and the commands that print them; never imported at run time."""
