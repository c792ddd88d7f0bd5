"""`python -m driftfield.evaluation.table1 --data DIR`: what each part of the method adds (paper, Table 1)."""

import sys

from .publish import main, options

parser = options("table1", "Ours, and ours without refiner, motion fields or motion strength, on held-out clips.")
parser.add_argument("--clips", type=int, default=30, help="held-out clips, spread over all of them (default: 30, all)")

if __name__ == "__main__":
    sys.exit(main(parser, "short_methods", None))
