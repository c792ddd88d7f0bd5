"""`python -m driftfield.evaluation.strength --data DIR`: stills without arrows, ever stronger (paper, figure 7)."""

import sys

from .publish import main, options

parser = options("strength", "How much moves in held-out stills without arrows, over the motion strength.")
parser.add_argument("--stills", type=int, default=20, help="held-out stills, spread over all of them (default: 20)")

if __name__ == "__main__":
    sys.exit(main(parser, "short_methods", None))
