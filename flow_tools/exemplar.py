"""Where in a picture the pixels of a hole may be copied from: nearest patches, searched coarse to fine.

PatchMatch (Barnes et al., SIGGRAPH 2009) in the pyramid of Wexler, Shechtman & Irani (PAMI 2007). Patches are compared
in whole numbers whose sums float32 holds exactly: the same are found on every machine, in whatever order it adds.
"""

from collections.abc import Callable

import cv2
import numpy as np

RADIUS = 3  # px of a patch: 7 × 7
CHANNELS = 4
GREY = 127  # levels that are compared
KNOWN, GUESSED = 2, 1  # what a difference counts in the picture and in the hole; (KNOWN · GREY)² · 49 · 4 < 2²⁴
DEEPEST = 8.0  # px: a level where no pixel of the hole lies deeper is the coarsest
LEAST = 64  # patches of the picture
COMPARED = 10_000_000  # pairs of patches, at the coarsest level
SEARCHED = 40_000  # pixels; larger holes take what the next coarser level found
ROUNDS, FINER, FINEST = 12, 4, 2  # of search at the coarsest level, at those between, at the picture's own
NEAR = (16, 4, 1)  # px: how far from the best so far others are tried
FAR = (64, 32, 16, 8, 4, 2, 1)  # the same at the coarsest level
GUIDE = 0.5  # of the first guess in what is searched for, at the coarsest level
SEED = 0


class _Level:
    """A picture with a margin of RADIUS, its hole, and the middles of patches that lie whole in what is known."""

    def __init__(self, values: np.ndarray, hole: np.ndarray, known: np.ndarray) -> None:
        """values [H, W, 4] 0..1; hole, known: bool [H, W]; what is neither lies outside."""
        margin = ((RADIUS, RADIUS), (RADIUS, RADIUS))
        whole = (values * GREY).round().clip(0, GREY).astype(np.int16)
        self.colours = np.pad(whole, (*margin, (0, 0))).reshape(-1, CHANNELS)
        self.pixels = self.colours.view(np.int64).ravel()  # the same memory, a number a pixel
        hole, known = np.pad(hole, margin), np.pad(known, margin)
        self.width = hole.shape[1]
        patch = np.ones((2 * RADIUS + 1, 2 * RADIUS + 1), np.uint8)
        self.valid = cv2.erode(known.astype(np.uint8), patch, borderValue=0).ravel() > 0
        self.targets = np.flatnonzero(hole)
        self.weights = (KNOWN * known + GUESSED * hole).astype(np.int16).ravel()
        down, right = np.mgrid[-RADIUS : RADIUS + 1, -RADIUS : RADIUS + 1]
        self.window = (down * self.width + right).ravel()

    def patches(self, middles: np.ndarray) -> np.ndarray:
        """int16 [n, 49 · 4]."""
        return self.pixels[middles[:, None] + self.window].view(np.int16)

    def target_weights(self) -> np.ndarray:
        """int16 [n, 49 · 4]."""
        return np.repeat(self.weights[self.targets[:, None] + self.window], CHANNELS, axis=1)

    def at(self, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(rows, columns) in the picture."""
        rows, columns = np.divmod(index, self.width)
        return rows - RADIUS, columns - RADIUS

    def index(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        return (rows + RADIUS) * self.width + columns + RADIUS


def sources(
    guess: np.ndarray, hole: np.ndarray, report: Callable[[float], None] = lambda share: None
) -> tuple[np.ndarray, np.ndarray] | None:
    """(rows, columns) of known pixels, about which all is known, for the pixels of hole [H, W] in the order of nonzero.

    guess [H, W, 4] 0..1: the picture and a channel more, filled somehow. None where too little of it is known.
    report: told often which share is done, 0..1; what it raises ends it.
    """
    levels = _pyramid(guess, hole)
    if not levels or len(levels[-1].targets) > SEARCHED:
        return None
    rng, last = np.random.default_rng(SEED), len(levels) - 1

    def of(depth: int) -> Callable[[float], None]:
        return lambda share: report((last - depth + share) / len(levels))

    found = _search(levels[last], _nearest(levels[last], of(last)), rng, ROUNDS, FAR, of(last), vote=True)
    for depth in range(last - 1, -1, -1):
        level = levels[depth]
        of(depth)(0.0)
        found = _finer(found, levels[depth + 1], level)
        if len(level.targets) <= SEARCHED:
            level.pixels[level.targets] = level.pixels[found]
            found = _search(level, found, rng, FINER if depth else FINEST, NEAR, of(depth), vote=depth > 0)
    return levels[0].at(found)


def _pyramid(values: np.ndarray, hole: np.ndarray) -> list[_Level]:
    """From the picture to half its size, and so on, while the hole is deep or there is much to compare."""
    levels, known = [], ~hole
    while True:
        level = _Level(values, hole, known)
        patches = int(level.valid.sum())
        if patches < LEAST:
            return levels
        levels.append(level)
        depth = cv2.distanceTransform(np.pad(hole, 1).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE).max()
        if depth <= DEEPEST and len(level.targets) * patches <= COMPARED:
            return levels
        odd = ((0, hole.shape[0] % 2), (0, hole.shape[1] % 2))
        values = np.pad(values, (*odd, (0, 0)), mode="edge")
        hole, known = np.pad(hole, odd), np.pad(known, odd)
        four = [np.s_[down::2, right::2] for down in (0, 1) for right in (0, 1)]
        count = np.sum([known[at].astype(np.float32) for at in four], axis=0)[..., None]
        seen = np.sum([values[at] * known[at][..., None] for at in four], axis=0) / np.maximum(count, 1)
        values = np.where(count > 0, seen, np.sum([values[at] for at in four], axis=0) / 4)
        hole = np.any([hole[at] for at in four], axis=0)
        known = count[..., 0] == 4


def _nearest(level: _Level, report: Callable[[float], None]) -> np.ndarray:
    """The nearest of all patches; of every k-th where there are too many."""
    middles, weights = np.flatnonzero(level.valid), level.target_weights().astype(np.float32) ** 2
    middles = middles[:: -(-len(middles) * len(weights) // COMPARED)]
    weighted = weights * level.patches(level.targets)
    best, found = np.full(len(weights), np.inf, np.float32), np.zeros(len(weights), np.int64)
    at_once = max(1, COMPARED // len(weights) // 8)
    for start in range(0, len(middles), at_once):
        report(0.0)
        some = middles[start : start + at_once]
        theirs = level.patches(some).astype(np.float32)
        costs = weights @ np.square(theirs).T - 2 * (weighted @ theirs.T)  # but for what is the same for all
        least = costs.argmin(1)
        costs = costs[np.arange(len(costs)), least]
        better = costs < best
        best[better], found[better] = costs[better], some[least[better]]
    return found


def _finer(found: np.ndarray, coarse: _Level, fine: _Level) -> np.ndarray:
    """The same sources a level finer: each pixel takes the one of the four that lies as it does."""
    all_found = np.zeros(len(coarse.pixels), np.int64)
    all_found[coarse.targets] = found
    rows, columns = fine.at(fine.targets)
    source_rows, source_columns = coarse.at(all_found[coarse.index(rows // 2, columns // 2)])
    return fine.index(2 * source_rows + rows % 2, 2 * source_columns + columns % 2)


def _search(
    level: _Level,
    found: np.ndarray,
    rng: np.random.Generator,
    rounds: int,
    reach: tuple[int, ...],
    report: Callable[[float], None],
    *,
    vote: bool,
) -> np.ndarray:
    """Better sources than `found`, those of the pixels beside and random ones; the hole is filled with them.

    vote: until the last round the hole is filled with the mean of all patches over a pixel, drawn to the first guess.
    """
    last, targets, weights = len(level.pixels) - 1, level.targets, level.target_weights()
    everyone = np.arange(len(targets))
    index = np.full(len(level.pixels), -1)
    index[targets] = everyone
    guess = level.colours[targets].astype(np.float32)

    def costs(which: np.ndarray, middles: np.ndarray) -> np.ndarray:
        differences = ((own[which] - level.patches(middles)) * weights[which]).astype(np.float32)
        return np.einsum("nk,nk->n", differences, differences)

    def offer(which: np.ndarray, middles: np.ndarray) -> None:
        report(number / rounds)
        middles = middles.clip(0, last)
        new = level.valid[middles] & (middles != found[which])
        which, middles = which[new], middles[new]
        theirs = costs(which, middles)
        better = theirs < best[which]
        found[which[better]], best[which[better]] = middles[better], theirs[better]

    for number in range(rounds):
        own = level.patches(targets)
        best = costs(everyone, found)
        for step in (4, 2, 1):
            for by in (-step * level.width, step * level.width, -step, step):
                beside = index[(targets + by).clip(0, last)]
                which = np.flatnonzero(beside >= 0)
                offer(which, found[beside[which]] - by)
        for radius in reach:
            down, right = rng.integers(-radius, radius + 1, (2, len(targets)))
            offer(everyone, found + down * level.width + right)
        if vote and number < rounds - 1:
            drawn = GUIDE * (1 - number / rounds)
            mean = drawn * guess + (1 - drawn) * _votes(level, found, index)
            level.colours[targets] = mean.round().astype(np.int16)
        else:
            level.pixels[targets] = level.pixels[found]
    return found


def _votes(level: _Level, found: np.ndarray, index: np.ndarray) -> np.ndarray:
    """float32 [n, 4]: the mean of what the sources of the patches over a pixel show there."""
    total, count = np.zeros((len(found), CHANNELS), np.float32), np.zeros((len(found), 1), np.float32)
    for step in level.window:
        beside = index[level.targets + step]
        there = beside >= 0
        total[there] += level.colours[found[beside[there]] - step]
        count[there] += 1
    return total / count
