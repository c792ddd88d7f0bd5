"""Odd arrow texts through the nodes' own functions: python scripts/fuzz_arrows.py [--count 100000] [--seed 0]

Each text must give a finite field, or a ValueError with a message; a warning is a failure, too.
"""

import argparse
import importlib
import json
import random
import sys
import tempfile
import warnings
from collections import Counter
from pathlib import Path

from comfy_client import make_base_directory

NUMBERS = (
    "0 1 -1 0.5 1.0 -0.0 5e-324 1e-310 1e-160 0.1 0.999999 1.0000001 12 15.99 16 1e6 1e99 1e100 1e101 1e154 1e300 "
    '1e308 1e309 -1e308 NaN Infinity -Infinity null true false "1" [] {} 0x10 1_0 \u0661 01 1. .5 +1 1e5'
).split() + ["9" * 400, "9" * 5000]
PIECES = list("[]{}\"':,\n\r\t \\-.0123456789eE\ufeff\x00\u2028é😀") + [
    "\ud800",
    "NaN",
    "null",
    '"x"',
    '"points"',
    "[[",
]
SEEDS = (
    '{"version":1,"ref":[16,16],"arrows":[{"id":"a1","points":[[0.3,0.6],[0.5,0.6]],"strength":1.5},'
    '{"points":[[0.9,0.9]]}]}',
    '{"version":1,"arrows":[{"points":[[0.1,0.1],[0.6,0.1],[0.6,0.9]]}],"region":{"size":[2,2],"runs":[1,3]}}',
    '[[{"x":2,"y":3},{"x":9,"y":3}],[{"x":12,"y":4}]]',
    "[{'x':2,'y':3},{'x':9,'y':3}]",
    '[{"x":0.25,"y":0.5},{"x":0.8125,"y":0.9}]',
    "[[[1,2],[3,4],[5,9]]]",
    "1,2,3,4\n5,6,7,8",
    "",
)


def odd_text(rng: random.Random) -> str:
    kind = rng.random()
    if kind < 0.45:
        return mutated(rng, rng.choice(SEEDS))
    if kind < 0.7:
        return with_numbers(rng)
    if kind < 0.85:
        return json.dumps(anything(rng, 0))
    if kind < 0.99:
        return "".join(rng.choices(PIECES, k=rng.randrange(40)))
    return rng.choice(["[", "{", '"', '\\"', " ", "[[[1,1]],", "1,2,3,4\n", "9", "[{'x':1,"]) * rng.randrange(1, 20_000)


def mutated(rng: random.Random, text: str) -> str:
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        at = rng.randrange(len(text) + 1)
        text = text[:at] + rng.choice((rng.choice(PIECES), rng.choice(NUMBERS), "")) + text[at + rng.randrange(3) :]
    return text


def with_numbers(rng: random.Random) -> str:
    """A text of the right shape around odd numbers."""

    def number() -> str:
        if rng.random() < 0.9:
            return repr(rng.uniform(0, 2) * 10.0 ** rng.choice((0, 0, 0, 1, 2, -8, -170, -310, 90)))
        return rng.choice(NUMBERS)

    def track(point: str) -> str:
        return "[" + ",".join(point % (number(), number()) for _ in range(rng.randrange(1, 5))) + "]"

    def tracks(point: str) -> str:
        return ",".join(track(point) for _ in range(rng.randrange(1, 4)))

    shape = rng.randrange(4)
    if shape == 0:
        return ",".join(number() for _ in range(4))
    if shape == 1:
        return "[" + tracks("[%s,%s]") + "]"
    if shape == 2:
        return "[" + tracks('{"x":%s,"y":%s}') + "]"
    arrows = f'{{"points":[[{number()},{number()}],[{number()},{number()}],[{number()},0.5]],"strength":{number()}}}'
    reference = f'"ref":[{number()},16],' if rng.random() < 0.3 else ""
    return f'{{"version":1,{reference}"arrows":[{arrows}]}}'


def anything(rng: random.Random, depth: int) -> object:
    kind = rng.randrange(8 if depth < 6 else 5)
    if kind < 5:
        numbers = (None, True, rng.randrange(-99, 99), rng.uniform(-1, 2), rng.choice(("x", "é", "1", "")))
        return numbers[kind]
    if kind < 7:
        return [anything(rng, depth + 1) for _ in range(rng.randrange(4))]
    keys = ("x", "y", "version", "ref", "arrows", "id", "points", "strength", "region", "size", "runs")
    return {key: anything(rng, depth + 1) for key in rng.sample(keys, rng.randrange(5))}


def outcome(text: str) -> str:
    """ "field", "refused", or what is wrong."""
    parts = ("arrows", "sparse", "dense", "region")
    arrows, sparse, dense, region = (importlib.import_module(f"driftfield.flow_tools.{part}") for part in parts)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            drawn = arrows.parse_arrows(text, width=16, height=16)
            region.parse_region(text)
            grid = {"height": 16, "width": 16, "frames": 5}
            known, ways = sparse.sparse_flow(drawn, **grid), sparse.ways_of(drawn, **grid)
            field = dense.densify(*known, sigma_px=5.0, threshold=0.05, ways=ways)
        except ValueError as error:
            return "refused" if str(error) else "a ValueError without a message"
        except Exception as error:  # a warning among them
            return f"{type(error).__name__}: {error}"
    return "field" if bool(field.isfinite().all()) else "a field that is not finite"


def run(count: int, seed: int) -> tuple[Counter, list[tuple[str, str]]]:
    """How often which outcome, and the failures as (outcome, text)."""
    rng, counts, failures = random.Random(seed), Counter(), []
    for _ in range(count):
        text = odd_text(rng)
        found = outcome(text)
        good = found in ("field", "refused")
        counts[found if good else "failed"] += 1
        if not good:
            failures.append((found, text))
    return counts, failures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    counts, failures = run(given.count, given.seed)
    print(", ".join(f"{counts[name]} {name}" for name in ("field", "refused", "failed")))
    for found, text in failures[:20]:
        print(f"{found}: {ascii(text[:200])}")
    return 1 if failures else 0


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        sys.path.insert(0, str(make_base_directory(Path(folder)) / "custom_nodes"))  # there the checkout is a package
        sys.exit(main())
