import math
import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from driftfield.flow_tools.arrows import MotionArrows
from driftfield.flow_tools.dense import MODES, default_sigma_px, densify, restore_hints, sigma_in_px
from driftfield.flow_tools.sparse import sparse_flow
from driftfield.flow_tools.strength import motion_strength, strength_percent


def field(hints, height=48, width=64):
    flow, mask = torch.zeros(1, 2, height, width), torch.zeros(1, 1, height, width)
    for (x, y), vector in hints.items():
        flow[0, :, y, x] = torch.tensor(vector)
        mask[0, 0, y, x] = 1
    return flow, mask


def weights(hints, sigma, height=48, width=64):
    x, y = torch.arange(width, dtype=torch.float64), torch.arange(height, dtype=torch.float64)[:, None]
    return torch.stack([torch.exp(-((x - u) ** 2 + (y - v) ** 2) / sigma**2) for u, v in hints])


points = st.dictionaries(
    st.tuples(st.integers(0, 63), st.integers(0, 47)),
    st.tuples(st.floats(-5, 5, width=32), st.floats(-5, 5, width=32)),
    min_size=1,
    max_size=6,
)


@pytest.mark.parametrize("mode", MODES)
def test_fields_of_several_steps_are_those_of_each(mode):
    flow, mask = field({(10, 20): (1.5, -0.5), (40, 30): (-1.0, 2.0)})
    several = torch.cat([flow, -0.5 * flow])
    dense = densify(several, mask, sigma_px=9.0, mode=mode)
    each = [densify(one, mask, sigma_px=9.0, mode=mode) for one in several.split(1)]
    torch.testing.assert_close(dense, torch.cat(each), rtol=1e-6, atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(points, st.floats(2, 60), st.floats(0.01, 0.5))
def test_all_modes_equal_the_printed_sums(hints, sigma, threshold):
    weight = weights(hints, sigma)
    vectors = torch.tensor(list(hints.values()), dtype=torch.float64)
    total = torch.einsum("nhw,nc->chw", weight, vectors)  # eq. 6
    length, largest = total.norm(dim=0), weight.max(0).values
    mean = total / weight.sum(0).clamp_min(1e-300)

    summed = densify(*field(hints), sigma_px=sigma, threshold=threshold, mode="sum")[0].double()
    clear = (length - threshold).abs() > 1e-4  # where rounding cannot decide
    torch.testing.assert_close(
        (summed - total * (length > threshold)) * clear, torch.zeros(2, 48, 64).double(), atol=1e-4, rtol=0
    )

    clear = (largest - threshold).abs() > 1e-5
    for mode, expected in (("normalized", mean), ("faded", mean * largest)):
        found = densify(*field(hints), sigma_px=sigma, threshold=threshold, mode=mode)[0].double()
        torch.testing.assert_close(
            (found - expected * (largest > threshold)) * clear, torch.zeros(2, 48, 64).double(), atol=1e-4, rtol=0
        )


@settings(max_examples=30, deadline=None)
@given(points, st.floats(2, 60))
def test_hints_do_not_add_up_but_in_sum_mode(hints, sigma):
    for mode in ("followed", "faded", "normalized"):
        dense = densify(*field(hints), sigma_px=sigma, threshold=0.05, mode=mode)
        assert dense.norm(dim=1).max() <= max(math.hypot(*v) for v in hints.values()) + 1e-4


def test_a_lone_hints_field_is_the_papers():
    hint = field({(32, 24): (3.0, -1.0)})
    faded, summed = (densify(*hint, sigma_px=8, threshold=0, mode=mode) for mode in ("faded", "sum"))
    torch.testing.assert_close(faded, summed)


def test_one_hint_in_normalized_mode_is_constant_on_its_disc():
    flow, mask = field({(32, 24): (3.0, -1.0)})
    dense = densify(flow, mask, sigma_px=8, threshold=0.05, mode="normalized")[0]
    distance = torch.hypot(torch.arange(64.0) - 32, torch.arange(48.0)[:, None] - 24)
    expected = torch.tensor([3.0, -1.0]).view(2, 1, 1) * (distance < 8 * math.sqrt(math.log(20)))
    torch.testing.assert_close(dense, expected)


def test_two_equal_hints_add_up_in_sum_mode_only():
    flow, mask = field({(30, 24): (2.0, 0.0), (34, 24): (2.0, 0.0)})
    options = {"sigma_px": 10, "threshold": 0.05}
    assert densify(flow, mask, mode="sum", **options)[0, 0, 24, 32] == pytest.approx(4 * math.exp(-0.04))
    assert densify(flow, mask, mode="normalized", **options)[0, 0, 24, 32] == pytest.approx(2)
    assert densify(flow, mask, mode="faded", **options)[0, 0, 24, 32] == pytest.approx(2 * math.exp(-0.04))


def test_sum_mode_reaches_391_px_for_10_px():
    flow, mask = field({(0, 0): (10.0, 0.0)}, height=1, width=512)
    dense = densify(flow, mask, sigma_px=170, threshold=0.05, mode="sum")
    assert dense[0, 0, 0].nonzero().max() == 391
    assert 170 * math.sqrt(math.log(10 / 0.05)) == pytest.approx(391.3, abs=0.05)


def test_a_pin_holds_its_surroundings_still():
    flow, mask = field({(10, 24): (2.0, 0.0), (50, 24): (0.0, 0.0)})
    dense = densify(flow, mask, sigma_px=12, threshold=0.05, mode="faded")[0, 0, 24]
    halfway = math.exp(-((20 / 12) ** 2))
    assert dense[10] == pytest.approx(2, abs=1e-3) and dense[50].abs() < 1e-3 and dense[30] == pytest.approx(halfway)


def test_a_curve_weighs_as_much_as_one_arrow():
    flow, mask = field({(10, 10): (2.0, 0.0)} | {(40 + i, 10): (0.0, 2.0) for i in range(10)})
    mask[0, 0, 10, 40:50] = 0.1
    dense = densify(flow, mask, sigma_px=30, threshold=0.05, mode="faded")
    weight = weights({(10, 10): 0} | {(40 + i, 10): 0 for i in range(10)}, 30)[:, 10, 10]
    expected = 2 * weight[0] / (weight[0] + 0.1 * weight[1:].sum())
    assert dense[0, 0, 10, 10] == pytest.approx(float(expected), abs=1e-4)


def test_the_region_is_applied_last():
    flow, mask = field({(32, 24): (2.0, 1.0)})
    region = torch.rand(1, 1, 48, 64, generator=torch.Generator().manual_seed(0))
    for mode in MODES:
        options = {"sigma_px": 20, "threshold": 0.05, "mode": mode}
        assert torch.equal(densify(flow, mask, region=region, **options), densify(flow, mask, **options) * region)


def test_no_arrows_give_exact_zeros():
    flow, mask = sparse_flow(MotionArrows((), 8, 8), height=8, width=8, frames=5)
    for mode in MODES:
        assert not densify(flow, mask, sigma_px=4, threshold=0, mode=mode).any()


def test_tiny_sigma_and_no_threshold_stay_finite():
    flow, mask = field({(32, 24): (2.0, 1.0)})
    for mode in MODES:
        dense = densify(flow, mask, sigma_px=1e-3, threshold=0, mode=mode)
        assert dense.isfinite().all() and dense.nonzero()[:, 2:].unique(dim=0).tolist() == [[24, 32]]


@pytest.mark.parametrize("mode", MODES)
def test_mirroring_the_hints_mirrors_the_flow(mode):
    flow, mask = field({(5, 24): (2.0, 1.0), (40, 7): (-1.0, 3.0)})
    mirrored = flow.flip(-1) * torch.tensor([-1.0, 1.0]).view(1, 2, 1, 1)
    dense = densify(flow, mask, sigma_px=20, threshold=0.05, mode=mode)
    again = densify(mirrored, mask.flip(-1), sigma_px=20, threshold=0.05, mode=mode)
    torch.testing.assert_close(again.flip(-1) * torch.tensor([-1.0, 1.0]).view(1, 2, 1, 1), dense)


def test_nothing_is_mutated_and_no_randomness_used():
    flow, mask = field({(5, 24): (2.0, 1.0)})
    region = torch.ones(1, 1, 48, 64)
    copies, state = (flow.clone(), mask.clone(), region.clone()), torch.get_rng_state()
    for mode in MODES:
        densify(flow, mask, sigma_px=20, threshold=0.05, mode=mode, region=region)
    assert all(torch.equal(a, b) for a, b in zip((flow, mask, region), copies, strict=True))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sigma_px": 0}, "sigma_px: got 0"),
        ({"sigma_px": math.nan}, "sigma_px: got nan"),
        ({"threshold": -1}, "threshold: got -1"),
        ({"mode": "mean"}, "mode: got 'mean', allowed 'followed' or 'faded' or 'normalized' or 'sum'"),
        ({"region": torch.ones(1, 1, 4, 4)}, r"region: got \[1, 1, 4, 4\], allowed \[1, 1, 48, 64\]"),
        ({"hints": torch.ones(48, 64)}, r"hints: got \[48, 64\]"),
        ({"sparse": torch.full((1, 2, 48, 64), math.nan)}, "sparse flow: got 6144 NaN"),
    ],
)
def test_bad_input_is_refused_by_name(change, message):
    options = {"sparse": torch.zeros(1, 2, 48, 64), "hints": torch.ones(1, 1, 48, 64), "sigma_px": 9, "threshold": 0.05}
    with pytest.raises(ValueError, match=message):
        densify(**{**options, **change})


def test_default_sigma_follows_the_longer_side():
    assert default_sigma_px(512, 512) == 170 and default_sigma_px(576, 1024) == 340


def test_sigma_is_a_share_of_the_longer_side_below_1_and_px_from_1_on():
    assert sigma_in_px(0, 576, 1024) == 340 and sigma_in_px(0.25, 576, 1024) == 256
    assert sigma_in_px(1, 576, 1024) == 1 and sigma_in_px(70, 576, 1024) == 70
    for none in (-5.0, math.nan, math.inf):
        with pytest.raises(ValueError, match=rf"sigma: got {none}, allowed 0 \(automatic\) or more"):
            sigma_in_px(none, 576, 1024)


MEASURE = """
import re, time, torch
from driftfield.flow_tools.dense import MODES, densify

def peak_mb():  # not ru_maxrss, which a process inherits from the one that started it
    return int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024

generator = torch.Generator().manual_seed(0)
flow, hints = torch.zeros(1, 2, 1024, 1024), torch.zeros(1, 1, 1024, 1024)
at = torch.randperm(1024 * 1024, generator=generator)[:4096]
hints.view(-1)[at] = 1
flow.view(2, -1)[:, at] = torch.randn(2, 4096, generator=generator)
densify(flow[..., :8, :8], hints[..., :8, :8], sigma_px=340, threshold=0.05)
before = peak_mb()
start = time.perf_counter()
for mode in MODES:
    densify(flow, hints, sigma_px=340, threshold=0.05, mode=mode)
print(peak_mb(), peak_mb() - before, time.perf_counter() - start)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_4096_hints_on_1024_px_stay_far_below_1_gb():
    result = subprocess.run([sys.executable, "-c", MEASURE], capture_output=True, text=True, check=True)
    peak_mb, added_mb, seconds = map(float, result.stdout.split())
    print(f"4,096 hints, 1024x1024, all modes: {peak_mb:.0f} MB peak, {added_mb:.0f} of it added, {seconds:.2f} s")
    assert peak_mb < 1000 and 0 < added_mb < 300


def test_motion_strength_is_the_mean_at_512_px():
    flow = torch.zeros(3, 2, 256, 128)
    flow[:, 0] = -2
    assert motion_strength(flow) == pytest.approx(2.0)  # mean of 2 and 0, times 512 / 256
    assert strength_percent(flow) == pytest.approx(200.0)
    assert motion_strength(torch.zeros(1, 2, 8, 8)) == 0


def test_held_hints_stand_and_what_is_far_stays():
    sparse, hints = torch.zeros(1, 2, 40, 60), torch.zeros(1, 1, 40, 60)
    sparse[0, :, 10, 12], hints[0, 0, 10, 12] = torch.tensor([2.0, -1.0]), 1
    hints[0, 0, 30, 50] = 1  # a pin
    flow = torch.randn(1, 2, 40, 60, generator=torch.Generator().manual_seed(0))
    restored = restore_hints(flow, sparse, hints, sigma_px=3.0)
    torch.testing.assert_close(restored[0, :, 10, 12], sparse[0, :, 10, 12], atol=1e-4, rtol=0)
    torch.testing.assert_close(restored[0, :, 30, 50], torch.zeros(2), atol=1e-4, rtol=0)
    torch.testing.assert_close(restored[..., 25:30], flow[..., 25:30], atol=1e-3, rtol=0)
    near = (restored - flow)[0, :, 10, 14]
    expected = (sparse - flow)[0, :, 10, 12] * math.exp(-((2 / 3) ** 2))
    torch.testing.assert_close(near, expected, atol=1e-4, rtol=0)
    assert torch.equal(restore_hints(flow, sparse, torch.zeros_like(hints), sigma_px=3.0), flow)
