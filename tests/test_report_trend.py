"""Slopes over model sizes: against scipy, against hand-computed errors, and on simulated series with a known slope."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from support.benchmark_files import load_benchmark

from adaptx.catalog import XNLI
from adaptx.report.gains.scaling import Point, Series
from adaptx.report.statistics.bootstrap import Floats
from adaptx.report.statistics.draws import Draws, several_means
from adaptx.report.statistics.trend import LEAST_DECADES, SizedModel, Trend, trend
from adaptx.report.statistics.two_way import row_variance, two_way
from adaptx.report.tables.scaling import scaling_sentences, scaling_table

simulation = load_benchmark("regressions")


def still(*by_seed: float) -> Draws:
    """A gain that does not change with the rows."""
    gains = np.array(by_seed)
    return Draws(gains, np.repeat(gains[:, None], 50, axis=1))


def drawn(by_seed: Floats, generator: np.random.Generator, rows: float, own: float) -> Draws:
    """A gain that redrawn rows move: by `rows` in all seeds alike, and by `own` in each seed for itself."""
    moved = rows * generator.normal(size=400) + own * generator.normal(size=(len(by_seed), 400))
    return Draws(by_seed, by_seed[:, None] + moved)


def test_the_change_between_two_sizes_is_welchs_test_over_seeds() -> None:
    small, large = (0.01, 0.03, 0.08), (0.06, 0.07, 0.09)
    found = trend([SizedModel(1e7, still(*small)), SizedModel(1e9, still(*large))])
    assert found is not None
    assert found.test is not None
    assert not found.is_line, "two points lie on a line exactly"
    assert (found.sizes, found.decades, found.over_models) == (2, pytest.approx(2), None)
    welch = stats.ttest_ind(large, small, equal_var=False)
    assert found.change == pytest.approx(np.mean(large) - np.mean(small))
    assert found.test.p == pytest.approx(welch.pvalue)
    assert found.test.interval() == pytest.approx(tuple(welch.confidence_interval(0.95)))


def test_one_model_has_the_interval_over_rows_and_seeds() -> None:
    gain = drawn(np.array([0.02, 0.05, 0.03, 0.08]), np.random.default_rng(1), 0.01, 0.004)
    expected = two_way(list(gain.by_seed_S), row_variance(gain.redrawn_SR))
    assert expected is not None
    assert gain.test is not None
    assert gain.test.standard_error == pytest.approx(expected.standard_error)
    assert gain.test.degrees == pytest.approx(expected.degrees)


BASELINES = (1, 2, 3)


def over_one_baseline(models: list[SizedModel], baseline_S: Floats, redrawn_SR: Floats) -> list[SizedModel]:
    """The same models, whose gains are over one baseline per seed with these scores and redrawn scores."""
    return [
        SizedModel(
            each.size,
            Draws(each.gain.by_seed_S - baseline_S, each.gain.redrawn_SR - redrawn_SR, BASELINES[: len(baseline_S)]),
        )
        for each in models
    ]


def test_the_change_between_two_budgets_is_a_paired_test_over_seeds() -> None:
    small, large = np.array([0.01, 0.03, 0.08]), np.array([0.06, 0.07, 0.09])
    models = [SizedModel(1e12, still(*small)), SizedModel(1e14, still(*large))]
    found = trend(over_one_baseline(models, np.zeros(3), np.zeros((3, 50))))
    assert found is not None
    assert found.test is not None
    paired = stats.ttest_rel(large, small)
    assert found.test.degrees == pytest.approx(2)
    assert found.test.p == pytest.approx(paired.pvalue)
    assert found.test.interval() == pytest.approx(tuple(paired.confidence_interval(0.95)))


@given(st.integers(0, 2**31), st.integers(2, 5), st.floats(0, 0.2))
@settings(max_examples=30, deadline=None)
def test_a_baseline_that_all_budgets_share_does_not_move_their_slope(seed: int, count: int, deviation: float) -> None:
    """Neither its seeds nor its rows do. The height of the line has all of its error."""
    generator = np.random.default_rng(seed)
    models = [SizedModel(10**log, drawn(0.02 * generator.normal(size=3), generator, 0.01, 0.01))
              for log in np.linspace(12, 14, count)]  # fmt: skip
    baseline_S = deviation * generator.normal(size=3)
    redrawn_SR = baseline_S[:, None] + deviation * generator.normal(size=(3, 400))
    alone = trend(over_one_baseline(models, np.zeros(3), np.zeros((3, 400))))
    found = trend(over_one_baseline(models, baseline_S, redrawn_SR))
    assert alone is not None
    assert alone.test is not None
    assert found is not None
    assert found.test is not None
    assert found.change == pytest.approx(alone.change, abs=1e-9)
    assert found.test.standard_error == pytest.approx(alone.test.standard_error, rel=1e-6)
    assert found.test.degrees == pytest.approx(alone.test.degrees, rel=1e-5)
    total = found.means.weighted(np.full(count, 1 / count))
    expected = np.mean([each.gain.by_seed_S for each in models], axis=0) - baseline_S
    assert total is not None
    assert total.seed_error == pytest.approx(np.std(expected, ddof=1) / 3**0.5, rel=1e-6)


def test_false_alarms_of_slopes_over_budgets_of_one_baseline() -> None:
    """The budgets vary alike over seeds, or the largest or the smallest three times as much as the others."""
    generator = np.random.default_rng(11)
    alarms: list[float] = []
    logs = (12, 12.6, 13.2, 13.8)
    for deviations in ((1, 1, 1, 1), (1, 1, 1, 3), (3, 1, 1, 1)):
        p_values, independent = [], []
        for _ in range(300):
            by_seed_MS = 0.01 * generator.normal(size=(4, 3)) * np.array(deviations)[:, None]
            models = [SizedModel(10**log, still(*each)) for log, each in zip(logs, by_seed_MS, strict=True)]
            baseline_S = 0.01 * generator.normal(size=3)
            budgets = over_one_baseline(models, baseline_S, np.repeat(baseline_S[:, None], 50, axis=1))
            p_values.append(p_of(budgets))
            independent.append(p_of([SizedModel(each.size, still(*each.gain.by_seed_S)) for each in budgets]))
        alarms.append(float(np.mean(np.array(p_values) < 0.05)))
        if deviations == (1, 1, 1, 1):
            assert np.mean(np.array(independent) < 0.05) < 0.03, "budgets taken as independent: too cautious"
    assert np.mean(alarms) <= 0.06
    assert max(alarms) <= 0.08, "one setting's share is known to about 0.012"


def p_of(models: list[SizedModel]) -> float:
    found = trend(models)
    assert found is not None
    assert found.test is not None
    return found.test.p


def test_rows_that_move_all_sizes_alike_do_not_move_the_slope() -> None:
    generator = np.random.default_rng(2)
    shared = 0.02 * generator.normal(size=400)
    models = [
        SizedModel(size, Draws(each.by_seed_S, each.by_seed_S[:, None] + shared))
        for size in (1e7, 1e8, 1e9)
        for each in [still(*(0.05 + 0.01 * generator.normal(size=3)))]
    ]
    found = trend(models)
    assert found is not None
    assert found.test is not None
    assert found.test.row_error == pytest.approx(0, abs=1e-9)
    assert models[0].gain.test is not None
    assert models[0].gain.test.row_error == pytest.approx(0.02, rel=0.1)


def test_with_two_seeds_the_error_is_that_of_rows_and_says_so() -> None:
    generator = np.random.default_rng(3)
    models = [SizedModel(size, drawn(np.array([0.01, 0.02]), generator, 0.0, 0.03)) for size in (1e7, 1e8, 1e9)]
    found = trend(models)
    assert found is not None
    assert found.test is not None
    assert not found.over_seeds
    assert (found.test.seed_error, found.test.degrees) == (0, np.inf)
    # The mean of two seeds moves by 0.03 / sqrt(2); the slope over two decades has the weights -1/2, 0 and 1/2.
    assert found.test.standard_error == pytest.approx(0.03 / 2, rel=0.1)


@given(st.integers(0, 2**31), st.integers(3, 9))
@settings(max_examples=30, deadline=None)
def test_a_line_is_scipys(seed: int, count: int) -> None:
    generator = np.random.default_rng(seed)
    logs = np.sort(generator.uniform(7, 10, count))
    logs[-1] = logs[0] + 0.5 + generator.uniform(0, 3)
    logs = np.linspace(logs[0], logs[-1], count) + generator.uniform(0, 0.05, count) * np.arange(count)
    gains = 0.02 * logs + 0.01 * generator.normal(size=count)
    found = trend([SizedModel(10**log, still(gain, gain, gain)) for log, gain in zip(logs, gains, strict=True)])
    assert found is not None
    assert found.is_line
    assert found.over_models is not None
    line = stats.linregress(logs, gains)
    half = stats.t.ppf(0.975, count - 2) * line.stderr
    assert found.change == pytest.approx(line.slope)
    assert found.over_models.interval() == pytest.approx((line.slope - half, line.slope + half))
    assert found.over_models.p == pytest.approx(line.pvalue)
    assert found.at([10**log for log in logs])[:, 0] == pytest.approx(line.intercept + line.slope * logs)


@given(st.lists(st.floats(7, 9), min_size=2, max_size=6), st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_no_slope_is_given_over_less_than_half_a_decade(logs: list[float], seed: int) -> None:
    generator = np.random.default_rng(seed)
    models = [SizedModel(10**log, still(*generator.normal(0, 0.02, 3))) for log in logs]
    found = trend(models)
    span = max(logs) - min(logs)
    if found is None:
        assert span < 0.011
        return
    assert found.is_line == (span >= LEAST_DECADES and found.sizes >= 3)
    if not found.is_line:
        gains = [model.gain.mean for model in models]
        assert abs(found.change) <= max(gains) - min(gains) + 1e-12, "no change beyond what was measured"


def test_families_are_never_pooled_into_one_line() -> None:
    """A true slope of -3 in each of three families, which lie 0, -5 and +3 points apart."""
    generator = np.random.default_rng(4)
    apart = {"a": 0.0, "b": -0.05, "c": 0.03}
    sizes = {"a": (7.0, 8.0, 9.0), "b": (7.2, 8.2), "c": (8.5, 9.5)}
    models = [
        SizedModel(10**log, still(*(shift - 0.03 * log + 0.004 * generator.normal(size=4))), family)
        for family, shift in apart.items()
        for log in sizes[family]
    ]
    common = trend(models)
    assert common is not None
    assert common.test is not None
    assert common.is_line
    assert common.sizes == 7
    low, high = common.test.interval()
    assert low < -0.03 < high < 0
    one_line = trend([SizedModel(each.size, each.gain) for each in models])
    assert one_line is not None
    assert abs(one_line.change + 0.03) > 3 * abs(common.change + 0.03), "what pooling would have told"
    # Two sizes in each of two families are enough for a common slope, and less than half a decade is not.
    two = [each for each in models if each.family in "bc"]
    assert trend(two) is not None
    assert trend([SizedModel(1e7 * each.size**0.01, each.gain, each.family) for each in two]) is None


def test_redrawn_means_vary_as_rows_and_seeds_do() -> None:
    generator = np.random.default_rng(5)
    by_seed = np.array([0.50, 0.54, 0.55])
    gain = Draws(by_seed, by_seed[:, None] + 0.01 * generator.normal(size=20_000))
    over = gain.redrawn_mean(np.random.default_rng(6))
    assert over.mean() == pytest.approx(gain.mean, abs=0.001)
    assert np.var(over) == pytest.approx(0.01**2 + np.var(by_seed, ddof=1) / 3, rel=0.05)
    two = Draws(by_seed[:2], gain.redrawn_SR[:2])
    assert np.array_equal(two.redrawn_mean(generator), two.redrawn_SR.mean(axis=0))


def test_nothing_that_varies_has_no_error() -> None:
    assert still(0.1, 0.1, 0.1).test is None
    assert several_means([still(0.1, 0.1, 0.1)] * 2).weighted(np.array([-1.0, 1.0])) is None


def test_false_alarms_of_slopes_are_rare_if_small_models_vary_more() -> None:
    generator = np.random.default_rng(7)
    p_values: list[float] = []
    for deviations in ((1, 1, 1), (3, 2, 1), (1, 1, 5)):
        for by_seed in 0.01 * generator.normal(size=(300, 3, 3)) * np.array(deviations)[:, None]:
            found = trend([SizedModel(size, still(*each)) for size, each in zip((1e7, 1e8, 1e9), by_seed, strict=True)])
            assert found is not None
            assert found.test is not None
            p_values.append(found.test.p)
    assert np.mean(np.array(p_values) < 0.05) <= 0.06


def test_false_alarms_of_slopes_are_rare_and_intervals_hold_the_truth() -> None:
    """Rows, seeds and languages; benchmarks/results/regressions.md has more settings and more series."""
    setting = simulation.Sizes(sizes=3, seeds=5, deviation=4)
    found = {name: row for name, *row in simulation.size_summary(setting, pages=150, resamples=60, seed=5)}
    alarms, _, of_models, width = found["rows and seeds"]
    assert alarms <= 0.08, "one setting's share is known to about 0.02"
    assert of_models >= 0.92
    assert width < 0.5 * found["line over means"][3], "what seeds as points are worth"
    assert found["low minus high"][0] <= 0.09
    assert found["Welch over languages"][0] > 0.15, "the false alarms that the comparison by seeds is made against"


@st.composite
def random_series(draw: st.DrawFn, number: int) -> Series:
    """A series of two to five sizes, with low- and high-resource trends of its own."""
    generator = np.random.default_rng(draw(st.integers(0, 10_000)))
    logs = np.cumsum([7.0, *draw(st.lists(st.sampled_from((0.1, 0.5)), min_size=1, max_size=4))])
    slope, noise = draw(st.sampled_from((-0.1, 0.0, 0.1))), draw(st.sampled_from((0.0005, 0.03)))

    def of(slope: float) -> Trend:
        models = [
            SizedModel(10**log, drawn(slope * log + noise * generator.normal() + np.zeros(3), generator, 0.01, 0.01))
            for log in logs
        ]
        found = trend(models)
        assert found is not None
        return found

    points = [
        Point(size=10**log, family="bert", gain=None, draws=None, seconds=1.0 + log, is_cut=False)  # type: ignore[arg-type]
        for log in logs
    ]
    return Series(
        name=f"series {number}", families=("bert",), points=tuple(points), trend=of(slope), source=of(0.0),
        low=of(slope), high=of(0.0), resources=of(slope), languages=(("en",), ("sw",), ("de",)),
    )  # fmt: skip


@given(st.integers(1, 4).flatmap(lambda count: st.tuples(*(random_series(number) for number in range(count)))))
@settings(max_examples=40, deadline=None)
def test_sentences_on_scaling_say_what_the_table_says(series: tuple[Series, ...]) -> None:
    rows = scaling_table(XNLI, series, "body parameters").rows
    said = scaling_sentences(XNLI, series, "body parameters")
    shown = [row for row in rows if row[4].text != "–"]
    for row in rows:
        assert all(cell.text == "–" for cell in row[4:8]) == (row not in shown)
        assert row[3].is_uncertain == (row in shown and not row[3].sign)
        told = [each for each in said if each.startswith(f"xnli, {row[0].text}: over these ")]
        assert len(told) == (row[3].sign != 0)
        for each in told:
            assert f"the gain {'rises' if row[3].sign > 0 else 'falls'} with body parameters" in each
            change = row[3].text.partition(" ")[0]
            assert f", {change} {row[6].text} points for a tenfold size (95% interval over models" in each
            assert each.endswith(f"; p {'' if '<' in row[7].text else '= '}{row[7].text.replace('<', '< ')}).")
        apart = [each for each in said if each.startswith(f"xnli, {row[0].text}: the gain changes ")]
        assert len(apart) == (row[11].sign != 0)
        for each in apart:
            assert f"{'more' if row[11].sign > 0 else 'less'} in low-resource" in each
            assert row[11].text.partition(", p")[0] in each
    open_ = sum(row[3].is_uncertain for row in shown)
    pattern = re.compile(r"in (\d) of \d series, (the gain neither|no three)|in the (one) series, (the|no)")
    counted = [pattern.search(each) for each in said]
    numbers = {(m[2] or m[4]).split()[0]: int(m[1] or 1) for m in counted if m is not None}
    assert numbers == {w: n for w, n in (("the", open_), ("no", len(rows) - len(shown))) if n}
    assert any("each series is about one family" in each for each in said) == bool(shown)
