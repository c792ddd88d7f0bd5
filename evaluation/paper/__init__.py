"""The tables and figures of the paper, each measured here and nowhere else."""
