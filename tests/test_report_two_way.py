"""The interval over rows and seeds: against a formula written out, and against simulated pages whose truth is known."""

import importlib.util
import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from adaptx.report.statistics.blocks import block_variance
from adaptx.report.statistics.bootstrap import ExampleRows, Floats, resampled_sums
from adaptx.report.statistics.half_width import half_width, p_value
from adaptx.report.statistics.holm import holm, holm_levels
from adaptx.report.statistics.two_way import SHARED, RowVariance, SeedVariance, pooled_variance, row_variance, two_way

FILE = Path(__file__).parents[1] / "benchmarks/coverage.py"
spec = importlib.util.spec_from_file_location("coverage_benchmark", FILE)
assert spec is not None
assert spec.loader is not None
simulation = importlib.util.module_from_spec(spec)
# Dataclasses look their module up.
__import__("sys").modules[spec.name] = simulation
spec.loader.exec_module(simulation)


def resampled(gains_NS: Floats, rows: int, resamples: int = 4_000) -> Floats:
    """Gains of each seed under redrawn rows, [seeds, resamples]."""
    sums = resampled_sums({"xx": gains_NS}, {"xx": ExampleRows(np.arange(rows))}, resamples)
    return (sums["xx"] / rows).T


def test_it_is_the_formula_of_crossed_rows_and_seeds() -> None:
    """Means of squared residuals, as an analysis of variance has them."""
    generator = np.random.default_rng(3)
    rows, seeds = 400, 4
    gains = 0.05 + generator.normal(0, 0.6, (rows, 1)) + generator.normal(0, 0.04, seeds)
    gains = gains + generator.normal(0, 0.5, (rows, seeds))
    found = two_way(list(gains.mean(axis=0)), row_variance(resampled(gains, rows)))
    assert found is not None
    of_rows = np.var(gains.mean(axis=1), ddof=1) / rows
    of_seeds = np.var(gains.mean(axis=0), ddof=1) / seeds
    residual = gains - gains.mean(axis=1, keepdims=True) - gains.mean(axis=0) + gains.mean()
    both = (residual**2).sum() / (rows - 1) / (seeds - 1) / rows / seeds
    variance = max(of_rows + of_seeds - both, of_rows, of_seeds)
    degrees = (seeds - 1) * (variance / of_seeds) ** 2
    assert found.mean == pytest.approx(gains.mean())
    assert found.row_error == pytest.approx(of_rows**0.5, rel=0.05)
    assert found.seed_error == pytest.approx(of_seeds**0.5)
    assert found.standard_error == pytest.approx(variance**0.5, rel=0.05)
    assert found.degrees == pytest.approx(degrees, rel=0.2)
    assert found.seed_degrees == seeds - 1
    both = 2 * stats.t.sf(abs(found.mean) / found.standard_error, found.degrees)
    alone = 2 * stats.t.sf(abs(found.mean) / found.seed_error, seeds - 1)
    assert found.p == pytest.approx(max(both, alone))
    half = max(
        stats.t.ppf(0.975, found.degrees) * found.standard_error, stats.t.ppf(0.975, seeds - 1) * found.seed_error
    )
    assert found.interval() == pytest.approx((found.mean - half, found.mean + half))


def test_equal_seeds_leave_the_rows_and_endless_rows_leave_the_seeds() -> None:
    generator = np.random.default_rng(4)
    one = generator.normal(0.1, 1, (300, 1)).repeat(3, axis=1)
    same = two_way(list(one.mean(axis=0)), row_variance(resampled(one, 300)))
    assert same is not None
    assert same.degrees > 1e9
    assert same.standard_error == pytest.approx(same.row_error)
    still = two_way([0.01, 0.03, 0.08], RowVariance(mean=0.0, by_seed=0.0))
    assert still is not None
    t_test = stats.ttest_1samp([0.01, 0.03, 0.08], 0.0)
    assert still.p == pytest.approx(t_test.pvalue)
    assert still.interval() == pytest.approx(tuple(t_test.confidence_interval(0.95)))


def test_two_seeds_and_systems_that_never_differ_have_no_interval() -> None:
    assert two_way([0.1, 0.2], row_variance(np.ones((2, 10)))) is None
    assert two_way([0.0, 0.0, 0.0], row_variance(np.zeros((3, 10)))) is None
    assert pooled_variance([]) is None
    assert pooled_variance([[0.1], [0.2]]) is None


arms = st.lists(st.lists(st.floats(-1, 1), min_size=3, max_size=3), min_size=1, max_size=8)


@given(arms, st.floats(0.1, 10), st.floats(-1, 1))
@settings(max_examples=60, deadline=None)
def test_pooling_follows_scale_and_not_level_or_order(gains: list[list[float]], scale: float, shift: float) -> None:
    found = pooled_variance(gains)
    assert found is not None
    assert found.variance == pytest.approx(np.mean([np.var(arm, ddof=1) for arm in gains]))
    assert 2 <= found.degrees <= 2 * len(gains)
    assert found.degrees <= 2 / SHARED**2, "arms that share a baseline are worth a bounded number of others"
    other = pooled_variance([[scale * gain + shift for gain in reversed(arm)] for arm in reversed(gains)])
    assert other is not None
    assert other.variance == pytest.approx(scale**2 * found.variance, abs=1e-9)
    assert other.degrees == found.degrees


@given(st.lists(st.floats(-0.5, 0.5), min_size=3, max_size=6), st.floats(0, 0.1), st.floats(0, 0.1))
@settings(max_examples=60, deadline=None)
def test_it_is_never_narrower_than_either_draw_alone(gains: list[float], deviation: float, own: float) -> None:
    generator = np.random.default_rng(5)
    shared = deviation * generator.normal(size=200)
    drawn = np.array(gains)[:, None] + shared + own * generator.normal(size=(len(gains), 200))
    pooled = SeedVariance(variance=float(np.var(gains, ddof=1)), degrees=len(gains) - 1)
    found = two_way(gains, row_variance(drawn), pooled)
    if found is None:
        return
    assert found.standard_error >= max(found.row_error, found.seed_error) - 1e-12
    assert found.degrees >= found.seed_degrees == len(gains) - 1
    low, high = found.interval()
    assert low <= found.mean <= high
    assert (found.p < 0.05) == (not low <= 0 <= high)


@given(st.floats(1, 60), st.floats(0.5, 0.999))
@settings(max_examples=60, deadline=None)
def test_a_half_width_never_falls_when_rows_add_variance(degrees: float, level: float) -> None:
    """max(t(d (1 + x)^2) sqrt(1 + x), t(d)), where x is the variance over rows, in units of that over seeds."""
    x = np.concatenate([np.linspace(0, 4, 300), np.geomspace(4, 1e5, 100)])
    found = half_width(1 + x, np.ones_like(x), np.full_like(x, degrees), level)
    alone = stats.t.ppf(0.5 + level / 2, degrees)
    both = stats.t.ppf(0.5 + level / 2, degrees * (1 + x) ** 2) * np.sqrt(1 + x)
    assert found == pytest.approx(np.maximum(both, alone), rel=1e-5)
    assert found[0] == pytest.approx(alone)
    assert np.all(np.diff(found) >= -1e-9 * found[1:])
    assert np.all(np.array([p_value(0.9 * alone, 1 + each, 1.0, degrees) for each in x[::40]]) >= 1 - level)


@given(
    st.lists(st.floats(-0.5, 0.5), min_size=3, max_size=6),
    st.floats(0, 0.2),
    st.floats(1, 4),
    st.none() | st.tuples(st.floats(0, 0.1), st.floats(2, 30)),
)
@settings(max_examples=60, deadline=None)
def test_noisier_rows_never_sharpen_a_verdict(
    gains: list[float], deviation: float, factor: float, pooled: tuple[float, float] | None
) -> None:
    seeds = SeedVariance(variance=pooled[0], degrees=pooled[1]) if pooled else None
    quiet, noisy = (
        two_way(gains, RowVariance(mean=variance, by_seed=0.0), seeds)
        for variance in (deviation**2, factor * deviation**2)
    )
    if quiet is None or noisy is None:
        return
    assert noisy.p >= quiet.p - 1e-9
    assert noisy.interval()[1] >= quiet.interval()[1] - 1e-9
    assert noisy.detectable() >= quiet.detectable() * (1 - 1e-4)


@pytest.mark.parametrize("ratio", [0.0, 0.1, 0.3, 1.0, 5.0])
def test_three_seeds_keep_their_level_however_much_the_rows_add(ratio: float) -> None:
    """The variance over rows is known, and `ratio` times that over seeds. Estimates over seeds follow chi-square."""
    middles = (np.arange(4_000) + 0.5) / 4_000
    for degrees, most in ((2, 0.0515), (4, 0.0575), (8, 0.053)):
        estimates = stats.chi2.ppf(middles, degrees) / degrees
        limits = half_width(ratio + estimates, estimates, np.full_like(estimates, degrees), 0.95)
        alarms = 2 * float(stats.norm.sf(limits / (1 + ratio) ** 0.5).mean())
        assert 0.04 < alarms < most


def test_an_arm_that_varies_little_by_chance_takes_the_pooled_variance() -> None:
    """Of several arms with few seeds, one varies little by chance. Its own variance would make its gain certain."""
    arms = [[0.028, 0.030, 0.032], [0.00, 0.06, 0.03], [0.05, -0.01, 0.02], [0.04, 0.02, 0.09]]
    rows = RowVariance(mean=1e-8, by_seed=0.0)
    alone, pooled = two_way(arms[0], rows), two_way(arms[0], rows, pooled_variance(arms))
    assert alone is not None
    assert pooled is not None
    variance = np.mean([np.var(arm, ddof=1) for arm in arms])
    assert pooled.seed_error == pytest.approx((variance / 3) ** 0.5)
    assert pooled.degrees == pytest.approx(8 / (1 + 3 / 4), rel=0.01), "four arms of three seeds share a baseline"
    assert alone.p < 0.01, "its own variance is 200 times smaller"
    assert pooled.p > 0.05


def test_an_arm_that_varies_more_than_the_others_keeps_its_own_variance() -> None:
    rows, gains = RowVariance(mean=1e-6, by_seed=0.0), [0.02, 0.08, 0.05]
    found = two_way(gains, rows, SeedVariance(variance=0.01**2, degrees=12))
    assert found is not None
    assert found.seed_error == pytest.approx(np.std(gains, ddof=1) / 3**0.5)
    assert found.degrees == pytest.approx(2, rel=0.01)


@pytest.mark.parametrize("seeds", [3, 5])
def test_arms_that_vary_unequally_or_share_an_intermediate_do_not_raise_false_alarms(seeds: int) -> None:
    """The first arm varies three times as much as the others, or the others share most of their variance over seeds."""
    generator, rows = np.random.default_rng(10), RowVariance(mean=1e-12, by_seed=0.0)
    alarms: dict[str, list[bool]] = {"unequal gain": [], "alike contrast": []}
    for _ in range(3_000):
        gains_AS = generator.normal(size=(6, seeds)) * np.array([3, 1, 1, 1, 1, 1])[:, None]
        shared_S = generator.normal(size=seeds)
        scores_AS = np.vstack([generator.normal(size=seeds), 0.8**0.5 * shared_S + 0.2**0.5 * gains_AS[1:]])
        found = (
            two_way(list(gains_AS[0]), rows, pooled_variance(gains_AS.tolist())),
            two_way(list(scores_AS[0] - scores_AS[1]), rows, block_variance(scores_AS, (1, -1))),
        )
        for name, each in zip(alarms, found, strict=True):
            assert each is not None
            alarms[name].append(each.p < 0.05)
    for name, found in alarms.items():
        assert np.mean(found) <= 0.075, name


def test_false_alarms_are_rare_and_intervals_hold_the_truth() -> None:
    """Six arms share a baseline, and languages share rows and premises; benchmarks/results/coverage.md has more."""
    alarms, per_page, held, alone, pooled = [], [], [], [], []
    for seeds, deviation in itertools.product((3, 5), (0, 4)):
        setting = simulation.Setting(seeds=seeds, deviation=deviation, correlation=0.5)
        found = {name: row for name, *row in simulation.summary(setting, pages=200, resamples=200, seed=seeds)}
        for values, value in zip((alarms, per_page, held), found["two-way, pooled"], strict=False):
            values.append(value)
        if deviation:
            assert found["rows alone"][0] > 0.2, "the false alarms that this interval is made against"
            alone.append(found["two-way"][1])
            pooled.append(found["two-way, pooled"][1])
    assert sum(pooled) < 0.75 * sum(alone), "pooling keeps arms that vary little by chance from raising alarms"
    assert np.mean(alarms) <= 0.06
    assert max(alarms) <= 0.08, "one setting's share is known to about 0.01"
    assert np.mean(per_page) <= 0.06
    assert np.mean(held) >= 0.94
    assert min(held) >= 0.92


def test_the_detectable_gain_is_found_in_four_of_five_experiments() -> None:
    generator = np.random.default_rng(8)
    rows = RowVariance(mean=0.01**2, by_seed=0.0)
    deviation, seeds = 0.03, 5
    errors = generator.normal(0, 0.01, 4_000)[:, None] + generator.normal(0, deviation, (4_000, seeds))
    known = SeedVariance(variance=deviation**2, degrees=1e6)
    alone = [two_way(list(each), rows, known) for each in errors]
    # Reports state somewhat different detectable gains, because the seeds of an experiment may vary more than most.
    stated = np.mean([each.detectable() for each in alone[:200] if each is not None])
    found = [two_way(list(stated + each), rows, known) for each in errors]
    assert np.mean([each.p < 0.05 for each in found if each is not None]) == pytest.approx(0.8, abs=0.03)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
@settings(max_examples=100, deadline=None)
def test_intervals_at_holms_levels_exclude_zero_where_holm_rejects(p_values: list[float]) -> None:
    for p, corrected, level in zip(p_values, holm(p_values), holm_levels(p_values), strict=True):
        assert (corrected <= 0.05) == (p <= 1 - level + 1e-15)


def test_a_gain_is_found() -> None:
    setting = simulation.Setting(seeds=5, deviation=2, correlation=0.5, gain=8.0)
    generator = np.random.default_rng(9)
    every = []
    for _ in range(20):
        every += simulation.page(setting, generator, 300)["two-way, pooled"]
    assert np.mean([each.p < 0.05 for each in every]) > 0.9
    assert np.mean([each.low <= 8 <= each.high for each in every]) > 0.9
