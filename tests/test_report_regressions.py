"""Regressions, lines and fronts on simulated data whose slopes are known, and against scipy and statsmodels."""

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from adaptx.report.statistics.log_linear import log_line, slope_difference
from adaptx.report.statistics.mixed_regression import CLUSTERED, MIXED_MODEL, Regression, mixed_regression
from adaptx.report.statistics.pareto import pareto_front

SLOPE, STEP = -0.20, 0.03


def simulated(generator: np.random.Generator, languages: int = 30, between: float = 0.01) -> Regression | None:
    """Gains of three variants in languages whose distance and resources matter as SLOPE and STEP say."""
    distance = generator.uniform(0, 0.6, languages)
    low = (np.arange(languages) % 2).astype(float)
    of_language = SLOPE * distance + STEP * low + between * generator.normal(size=languages)
    rows = [(variant, language) for variant in range(3) for language in range(languages)]
    return mixed_regression(
        [0.05 * variant + of_language[language] + 0.01 * generator.normal() for variant, language in rows],
        {"distance": [distance[language] for _, language in rows], "low": [low[language] for _, language in rows]},
        [f"language {language}" for _, language in rows],
        [f"variant {variant}" for variant, _ in rows],
    )


def test_a_mixed_model_recovers_known_slopes() -> None:
    found = simulated(np.random.default_rng(1))
    assert found is not None
    assert (found.method, found.groups, found.observations) == (MIXED_MODEL, 30, 90)
    distance, low = found.effects
    assert (distance.estimate, low.estimate) == (pytest.approx(SLOPE, abs=0.04), pytest.approx(STEP, abs=0.012))
    assert distance.low < SLOPE < distance.high
    assert distance.p < 0.001


def test_intervals_of_slopes_hold_them_about_as_often_as_they_say() -> None:
    generator = np.random.default_rng(2)
    held = []
    for _ in range(120):
        found = simulated(generator, languages=12)
        assert found is not None
        held.append(found.effects[0].low <= SLOPE <= found.effects[0].high)
    assert 0.89 <= np.mean(held) <= 0.99


def test_without_variance_between_languages_errors_are_clustered() -> None:
    """Noise that cancels within a language leaves a random intercept nothing to stand for."""
    languages, distance = 12, np.linspace(0, 0.6, 12)
    rows = [(variant, language) for variant in range(2) for language in range(languages)]
    generator = np.random.default_rng(3)
    noise = 0.02 * generator.normal(size=languages)
    signs = (-1, 1)
    values = [
        SLOPE * distance[language] + signs[variant] * noise[language] + 0.002 * generator.normal()
        for variant, language in rows
    ]
    found = mixed_regression(
        values,
        {"distance": [distance[language] for _, language in rows]},
        [str(language) for _, language in rows],
        [str(variant) for variant, _ in rows],
    )
    assert found is not None
    assert found.method == CLUSTERED
    dummies = np.array([[variant == 0, variant == 1] for variant, _ in rows], dtype=float)
    design = np.column_stack([dummies, [distance[language] for _, language in rows]])
    plain = sm.OLS(np.array(values), design).fit(
        cov_type="cluster", cov_kwds={"groups": np.array([language for _, language in rows])}
    )
    assert found.effects[0].estimate == pytest.approx(plain.params[-1])
    half = stats.t.ppf(0.975, languages - 2) * plain.bse[-1]
    assert found.effects[0].high - found.effects[0].estimate == pytest.approx(half)


def test_predictors_that_say_nothing_are_left_out_and_few_languages_are_refused() -> None:
    generator = np.random.default_rng(4)
    languages = [f"{place}" for place in range(10)]
    distance = list(generator.uniform(0, 1, 10))
    values = [0.1 * each + 0.01 * generator.normal() for each in distance]
    doubled = {"distance": distance, "constant": [1.0] * 10, "twice": [2 * each for each in distance]}
    found = mixed_regression(values, doubled, languages, ["one"] * 10)
    assert found is not None
    assert [effect.name for effect in found.effects] == ["distance"]
    assert found.left_out == ("constant", "twice")
    assert mixed_regression(values[:4], {"distance": distance[:4]}, languages[:4], ["one"] * 4) is None
    assert mixed_regression(values, {"constant": [1.0] * 10}, languages, ["one"] * 10) is None


@given(st.integers(0, 2**31), st.integers(3, 9))
@settings(max_examples=30, deadline=None)
def test_a_line_is_scipys_and_its_band_statsmodels(seed: int, count: int) -> None:
    generator = np.random.default_rng(seed)
    sizes = 10 ** generator.uniform(7, 10, count)
    values = 0.02 * np.log10(sizes) + 0.01 * generator.normal(size=count)
    found = log_line(list(sizes), list(values))
    assert found is not None
    line = stats.linregress(np.log10(sizes), values)
    assert (found.slope, found.intercept, found.p) == pytest.approx((line.slope, line.intercept, line.pvalue))
    design = sm.add_constant(np.log10(sizes))
    bands = sm.OLS(values, design).fit().get_prediction(design).conf_int(alpha=0.05)
    assert found.at(list(sizes))[:, 1:] == pytest.approx(bands)


def test_two_sizes_give_no_line() -> None:
    assert log_line([1e8, 1e9, 1e9], [0.1, 0.2, 0.3]) is None


def test_slopes_of_low_and_high_resource_languages_are_told_apart() -> None:
    generator = np.random.default_rng(5)
    sizes = [1e8, 3e8, 1e9, 3e9]

    def line(slope: float) -> tuple[list[float], list[float]]:
        return sizes, [slope * np.log10(size) + 0.002 * generator.normal() for size in sizes]

    def lines(slope: float) -> dict[str, tuple[list[float], list[float]]]:
        return {str(place): line(slope) for place in range(8)}

    found = slope_difference(lines(0.03), lines(0.01))
    assert found is not None
    assert (found.one, found.other) == (pytest.approx(0.03, abs=0.004), pytest.approx(0.01, abs=0.004))
    assert found.low < 0.02 < found.high
    assert found.p < 0.001
    same = [slope_difference(lines(0.02), lines(0.02)) for _ in range(200)]
    assert 0.01 <= np.mean([each is not None and each.p < 0.05 for each in same]) <= 0.10
    assert slope_difference({}, lines(0.01)) is None


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=12))
def test_the_front_is_what_nothing_dominates(points: list[tuple[int, int]]) -> None:
    costs, gains = [cost for cost, _ in points], [gain for _, gain in points]
    front = pareto_front(costs, gains)
    for place, (cost, gain) in enumerate(points):
        beaten = any(c <= cost and g >= gain and (c, g) != (cost, gain) for c, g in points)
        assert (place in front) != beaten
    assert [costs[place] for place in front] == sorted(costs[place] for place in front)
