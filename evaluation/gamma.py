"""`python -m driftfield.evaluation.gamma --data DIR`: quality and time over gamma from 0 to 1 (paper, figure 8)."""

import sys

from .publish import main, options

parser = options("gamma", "Quality and time of our long videos over gamma from 0 to 1.")
parser.set_defaults(also=("joins",))
parser.add_argument("--total-frames", type=int, default=125, help="frames of each video (default: 125)")
parser.add_argument("--cfg-max", type=float, default=1.0, help="guidance of the last frame (default: 1; SVD: 3)")
parser.add_argument("--clips", type=int, default=30, help="held-out clips, spread over all of them (default: 30, all)")
parser.add_argument("--stills", type=int, default=0, help="that many held-out stills with two arrows instead of clips")
parser.add_argument("--joins", default="crossfade", help="as in Extend Animation (default: crossfade)")

if __name__ == "__main__":
    sys.exit(main(parser, "long_methods", None))
