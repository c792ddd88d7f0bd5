"""The loop that the training commands share, whatever they train."""
