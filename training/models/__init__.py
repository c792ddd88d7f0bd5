"""The animator as it is trained: built, its loss, its training, its samples, saved."""
