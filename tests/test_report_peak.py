"""Whether the largest budget lowers the gain: hand-computed comparisons, their correction, and simulated series."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.benchmark_files import load_benchmark

from adaptx.catalog import XNLI
from adaptx.report.gains.corrected import corrected
from adaptx.report.gains.peaks import LaterPeak
from adaptx.report.statistics.draws import Draws
from adaptx.report.statistics.peak import best_smaller, steps_to_last
from adaptx.report.statistics.trend import SizedModel, Trend, trend
from adaptx.report.tables.peaks import peak_sentences, peak_table

simulation = load_benchmark("budgets")


def budgets(gains: dict[float, list[float]]) -> Trend:
    """A series of budgets over the same baselines, whose gains do not change with the rows."""
    models = [
        SizedModel(size, Draws(np.array(each), np.repeat(np.array(each)[:, None], 20, axis=1), (1, 2, 3)))
        for size, each in gains.items()
    ]
    found = trend(models)
    assert found is not None
    return found


FALLING = {1e12: [0.01, 0.02, 0.03], 1e13: [0.06, 0.08, 0.07], 1.001e13: [0.08, 0.09, 0.10], 1e14: [0.02, 0.02, 0.05]}


def test_the_largest_budget_is_compared_with_every_smaller_one() -> None:
    first, second = steps_to_last(budgets(FALLING))
    assert (first.size, first.last_size) == (pytest.approx(1e12), pytest.approx(1e14))
    assert second.size == pytest.approx(1e13, rel=0.001), "budgets that differ by 0.1% are one, and are averaged"
    assert (second.gain, second.last_gain) == (pytest.approx(0.08), pytest.approx(0.03))
    assert [step.change for step in (first, second)] == [pytest.approx(0.01), pytest.approx(-0.05)]
    assert best_smaller((first, second)) is second
    assert (first.places, second.places, second.last_places) == ((0,), (1, 2), (3,))
    # Randomised blocks over all four variants and three seeds; the weights are 1, -1/2 and -1/2.
    scores = np.array(list(FALLING.values()))
    rest = scores - scores.mean(axis=1, keepdims=True) - scores.mean(axis=0) + scores.mean()
    pooled = (rest**2).sum() / 6 * 1.5 / 3
    own = np.var(scores[3] - scores[1:3].mean(axis=0), ddof=1) / 3
    assert second.test is not None
    assert second.test.standard_error == pytest.approx(max(pooled, own) ** 0.5)
    assert second.test.degrees == pytest.approx(6 if pooled >= own else 2)


def test_two_budgets_have_no_peak() -> None:
    assert steps_to_last(budgets({1e12: [0.01, 0.02, 0.03], 1e13: [0.06, 0.08, 0.07]})) == []


@given(st.integers(0, 2**31))
@settings(max_examples=40, deadline=None)
def test_a_fall_is_claimed_only_if_the_corrected_interval_lies_below_zero(seed: int) -> None:
    generator = np.random.default_rng(seed)
    gains = {10.0**power: list(0.03 * generator.normal(size=3)) for power in (12, 13, 14, 15)}
    steps = steps_to_last(budgets(gains))
    best = best_smaller(steps)
    assert best is not None
    assert best.gain == max(np.mean(each) for size, each in gains.items() if size < 1e15)
    verdict = corrected([step.test for step in steps if step.test is not None], "budgets")[steps.index(best)]
    told = LaterPeak(series="lora", where="low-resource languages", step=best, verdict=verdict, over_seeds=True)
    assert verdict.holm_p >= verdict.p
    assert (told.sign < 0) == (verdict.corrected_high < 0)
    assert (told.sign > 0) == (verdict.corrected_low > 0)
    (said,) = peak_sentences(XNLI, [told])
    assert ("lowers the gain in the low-resource languages, by −" in said) == (told.sign < 0)
    assert ("still rises to the largest budget, by +" in said) == (told.sign > 0)
    assert ("neither better nor worse" in said) == (told.sign == 0)
    (row,) = peak_table(XNLI, [told], "operations").rows
    assert row[-2].sign == told.sign
    assert row[-2].is_uncertain == (told.sign == 0)


def test_falls_are_rarely_claimed_where_there_are_none_and_often_found_where_they_are() -> None:
    """benchmarks/results/budgets.md has more settings and more series."""
    falls = simulation.Budgets(budgets=5, seeds=5, shape="falls")
    shares = {
        shape: simulation.fall_summary(dataclasses.replace(falls, shape=shape), pages=150, resamples=30, seed=3)
        for shape in ("flat", "levels off", "falls")
    }
    assert shares["flat"][simulation.REPORT] <= 0.06
    assert shares["levels off"][simulation.REPORT] <= 0.06
    assert shares["falls"][simulation.REPORT] >= 0.6
    assert shares["levels off"][simulation.QUADRATIC] > 0.3, "a curve that levels off bends as well"
