"""Intervals and tests against scipy, statsmodels, plain references, and simulated data whose answer is known."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from adaptx.report.statistics.bootstrap import ExampleRows, Floats, interval, resampled_sums
from adaptx.report.statistics.holm import holm
from adaptx.report.statistics.over_seeds import over_seeds
from adaptx.report.statistics.randomisation import exchanged_sums, p_value

ROWS = 300


def coverage(gains: dict[str, Floats], examples: dict[str, ExampleRows], truth: float) -> float:
    """Share of the columns (simulated test sets) whose interval of the mean over languages holds the truth."""
    sums = resampled_sums(gains, examples, 2_000)
    means = np.mean([sums[language] / len(examples[language].rows) for language in gains], axis=0)
    low, high = np.percentile(means, [2.5, 97.5], axis=0)
    assert interval(means[:, 0]) == pytest.approx((low[0], high[0]))
    return float(np.mean((low <= truth) & (truth <= high)))


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9])
def test_95_percent_intervals_of_an_average_over_parallel_languages_hold_the_truth(correlation: float) -> None:
    """Accuracy differences -1, 0, 1 whose languages agree on many rows, as those of translated sets do."""
    generator = np.random.default_rng(11)
    sets, languages = 1_500, ("aym", "gn", "quy")
    shared = generator.normal(size=(ROWS, sets))
    gains: dict[str, Floats] = {}
    for language in languages:
        own = generator.normal(size=(ROWS, sets))
        latent = np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * own
        gains[language] = np.where(latent > 1.0, 1.0, np.where(latent < -1.4, -1.0, 0.0))
    truth = float(stats.norm.sf(1.0) - stats.norm.cdf(-1.4))
    examples = {language: ExampleRows(np.arange(ROWS), "parallel") for language in languages}
    assert 0.93 <= coverage(gains, examples, truth) <= 0.97


def test_intervals_that_take_correlated_languages_for_independent_ones_are_too_narrow() -> None:
    generator = np.random.default_rng(12)
    shared = generator.normal(size=(ROWS, 600))
    gains = {language: shared + 0.3 * generator.normal(size=(ROWS, 600)) for language in ("aym", "gn", "quy")}
    apart = {language: ExampleRows(np.arange(ROWS)) for language in gains}
    assert coverage(gains, apart, 0.0) < 0.85


@pytest.mark.parametrize("by_context", [True, False])
def test_questions_of_one_context_are_drawn_together(by_context: bool) -> None:
    """Sixty contexts of five questions that share most of their noise: only clusters give an honest interval."""
    generator = np.random.default_rng(13)
    contexts, questions, sets = 60, 5, 1_500
    of_context = np.repeat(generator.normal(size=(contexts, sets)), questions, axis=0)
    gains = {"xx": of_context + 0.5 * generator.normal(size=of_context.shape)}
    rows = np.arange(contexts * questions)
    held = coverage(gains, {"xx": ExampleRows(rows - rows % questions if by_context else rows)}, 0.0)
    assert (0.93 <= held <= 0.97) if by_context else held < 0.75


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
@settings(max_examples=60, deadline=None)
def test_holm_is_statsmodels(p_values: list[float]) -> None:
    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])


@given(st.lists(st.floats(-1, 1), min_size=3, max_size=9))
@settings(max_examples=60, deadline=None)
def test_over_seeds_is_scipys_t_interval(values: list[float]) -> None:
    found = over_seeds(values)
    if np.std(values) < 1e-9:
        return
    test = stats.ttest_1samp(values, 0.0)
    assert (found.low, found.high) == pytest.approx(tuple(test.confidence_interval(0.95)), rel=1e-6, abs=1e-9)
    assert found.p == pytest.approx(test.pvalue)


def test_two_seeds_have_no_interval_and_equal_ones_a_point() -> None:
    two = over_seeds([0.1, 0.3])
    assert (two.mean, two.low, two.high, two.p) == (pytest.approx(0.2), None, None, None)
    assert two.deviation == pytest.approx(np.std([0.1, 0.3], ddof=1))
    assert over_seeds([0.1]).deviation is None
    same = over_seeds([0.25, 0.25, 0.25])
    assert (same.low, same.high, same.p) == (0.25, 0.25, 0.0)
    assert over_seeds([0.0, 0.0, 0.0]).p == 1.0


def permuted_means(gains: dict[str, Floats], examples: dict[str, ExampleRows], permutations: int) -> Floats:
    """Mean gains with systems exchanged: of each row either its gain or its opposite."""
    moved = exchanged_sums({language: -2 * each for language, each in gains.items()}, examples, permutations)
    return np.mean([(gains[lang].sum(axis=0) + moved[lang]) / len(gains[lang]) for lang in gains], axis=0)


def test_randomisation_is_the_exact_permutation_test() -> None:
    gains = np.array([0.9, 0.4, -0.2, 0.7, 0.1, -0.3, 0.5, 0.8, 0.2, 0.6])
    found = p_value(
        permuted_means({"xx": gains[:, None]}, {"xx": ExampleRows(np.arange(10))}, 40_000)[:, 0], gains.mean()
    )
    signs = np.array(list(itertools.product((-1, 1), repeat=10)))
    exact = np.mean(np.abs(signs @ gains / 10) >= gains.mean() - 1e-12)
    assert found == pytest.approx(exact, abs=0.003)
    with_scipy = stats.permutation_test((gains,), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert found == pytest.approx(with_scipy.pvalue, abs=0.003)


@pytest.mark.parametrize("correlation", [0.0, 0.8])
def test_under_no_difference_one_test_in_twenty_falls_below_five_percent(correlation: float) -> None:
    generator = np.random.default_rng(14)
    sets = 1_000
    shared = generator.normal(size=(100, sets))
    gains = {
        language: np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * generator.normal(size=(100, sets))
        for language in ("aym", "gn")
    }
    means = permuted_means(gains, {language: ExampleRows(np.arange(100), "g") for language in gains}, 1_000)
    observed = np.mean([each.mean(axis=0) for each in gains.values()], axis=0)
    p_values = [p_value(means[:, column], observed[column]) for column in range(sets)]
    assert 0.035 <= np.mean(np.array(p_values) < 0.05) <= 0.065


def test_a_difference_is_found() -> None:
    generator = np.random.default_rng(15)
    gains = generator.normal(0.3, 1, size=(400, 1))
    means = permuted_means({"xx": gains}, {"xx": ExampleRows(np.arange(400))}, 2_000)[:, 0]
    assert p_value(means, float(gains.mean())) < 0.001
    assert p_value(means, 0.0) == 1.0
