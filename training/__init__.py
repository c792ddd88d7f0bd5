"""Offline commands that prepare data, train the built-in models and write them; never imported at run time."""
