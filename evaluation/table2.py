"""`python -m driftfield.evaluation.table2 --data DIR`: every method of long videos side by side (paper, Table 2)."""

import sys

from .publish import main, options

parser = options(
    "table2", "Direct, Gen-L-Video, FreeNoise and ours with each kind of joins, on held-out clips or stills."
)
parser.set_defaults(also=("gamma",))
parser.add_argument("--total-frames", type=int, default=125, help="frames of each video (default: 125)")
parser.add_argument("--cfg-max", type=float, default=1.0, help="guidance of the last frame (default: 1; SVD: 3)")
parser.add_argument("--clips", type=int, default=30, help="held-out clips, spread over all of them (default: 30, all)")
parser.add_argument("--stills", type=int, default=0, help="that many held-out stills with two arrows instead of clips")
parser.add_argument("--gamma", type=float, default=0.8, help="of ours (default: 0.8, the paper's)")

if __name__ == "__main__":
    sys.exit(main(parser, "long_methods", None))
