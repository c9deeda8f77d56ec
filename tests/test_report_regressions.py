"""Regressions and fronts on simulated data whose slopes are known, and against statsmodels."""

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from support.benchmark_files import load_benchmark

from adaptx.report.statistics.mixed_regression import MEANS, MIXED_MODEL, Regression, mixed_regression
from adaptx.report.statistics.pareto import front_shares, pareto_front

simulation = load_benchmark("regressions")

SLOPE, STEP = -0.20, 0.03


def simulated(generator: np.random.Generator, languages: int = 30, missing: int = 0) -> Regression | None:
    """Gains of three variants in languages whose distance and resources matter as SLOPE and STEP say.

    The last variant is not measured in the last `missing` languages.
    """
    distance = generator.uniform(0, 0.6, languages)
    low = (np.arange(languages) % 2).astype(float)
    of_language = SLOPE * distance + STEP * low + 0.01 * generator.normal(size=languages)
    rows = [(variant, language) for variant in range(3) for language in range(languages - missing * (variant == 2))]
    return mixed_regression(
        [0.05 * variant + of_language[language] + 0.01 * generator.normal() for variant, language in rows],
        {"distance": [distance[language] for _, language in rows], "low": [low[language] for _, language in rows]},
        [f"language {language}" for _, language in rows],
        [f"variant {variant}" for variant, _ in rows],
    )


def test_a_mixed_model_recovers_known_slopes() -> None:
    found = simulated(np.random.default_rng(1), missing=4)
    assert found is not None
    assert (found.method, found.groups, found.observations) == (MIXED_MODEL, 30, 86)
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


def test_with_all_gains_the_means_give_what_the_mixed_model_gives() -> None:
    generator = np.random.default_rng(9)
    languages, variants = 14, 3
    distance = generator.uniform(0, 0.6, languages)
    language, variant = np.indices((languages, variants)).reshape(2, -1)
    gains = SLOPE * distance[language] + 0.02 * generator.normal(size=languages)[language]
    gains = gains + 0.01 * generator.normal(size=len(language))
    found = mixed_regression(list(gains), {"distance": list(distance[language])}, list(language), list(variant))
    assert found is not None
    assert found.method == MEANS
    design = np.column_stack([np.eye(variants)[variant], distance[language]])
    scale = gains.std()
    fitted = sm.MixedLM(gains / scale, design, groups=language).fit(reml=True, method="bfgs")
    assert fitted.cov_re[0, 0] > 0.1
    assert found.effects[0].estimate == pytest.approx(scale * fitted.fe_params[-1], rel=1e-3)
    half = stats.t.ppf(0.975, languages - 2) * scale * fitted.bse_fe[-1]
    assert found.effects[0].high - found.effects[0].estimate == pytest.approx(half, rel=1e-3)


def test_a_language_that_lacks_a_variant_is_compared_as_if_it_had_all() -> None:
    """Noise that cancels within a language leaves a random intercept nothing to stand for."""
    languages, distance = 12, np.linspace(0, 0.6, 12)
    rows = [(variant, language) for variant in range(2) for language in range(languages)]
    generator = np.random.default_rng(3)
    noise = 0.02 * generator.normal(size=languages)
    noise[:9] -= noise[:9].mean()
    noise[9:] = 0.0
    signs = (-1, 1)
    values = [
        0.03 * variant + SLOPE * distance[language] + signs[variant] * noise[language] + 0.002 * generator.normal()
        for variant, language in rows
    ]

    def fitted(kept: list[int]) -> Regression:
        found = mixed_regression(
            [values[place] for place in kept],
            {"distance": [distance[rows[place][1]] for place in kept]},
            [str(rows[place][1]) for place in kept],
            [str(rows[place][0]) for place in kept],
        )
        assert found is not None
        assert found.method == MEANS
        return found

    effect = fitted(list(range(len(rows)))).effects[0]
    means = np.array(values).reshape(2, languages).mean(axis=0)
    plain = sm.OLS(means, sm.add_constant(distance)).fit()
    assert (effect.estimate, effect.p) == pytest.approx((plain.params[1], plain.pvalues[1]))
    assert (effect.low, effect.high) == pytest.approx(tuple(plain.conf_int()[1]))
    # Without the variants' level, the last languages, which lack the better variant, would seem to gain less.
    lacking = fitted([place for place, (variant, language) in enumerate(rows) if variant == 0 or language < 9])
    assert lacking.effects[0].estimate == pytest.approx(SLOPE, abs=0.01)


def test_false_alarms_over_attributes_of_languages_are_rare() -> None:
    """No attribute has an effect; benchmarks/results/regressions.md has more settings and more tables."""
    shares: dict[str, list[float]] = {}
    for languages, attributes, between in ((7, 2, 0.0), (12, 4, 0.5), (15, 4, 2.0)):
        setting = simulation.Languages(languages=languages, attributes=attributes, variants=4, between=between)
        for name, share, _ in simulation.language_summary(setting, tables=60, seed=7):
            shares.setdefault(name, []).append(share)
    assert np.mean(shares["report"]) <= 0.065
    assert np.mean(shares["clustered"]) > 0.08, "the false alarms that the regression over means is made against"


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


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=12))
def test_the_front_is_what_nothing_dominates(points: list[tuple[int, int]]) -> None:
    costs, gains = [cost for cost, _ in points], [gain for _, gain in points]
    front = pareto_front(costs, gains)
    assert [costs[place] for place in front] == sorted(costs[place] for place in front)
    for place, (cost, gain) in enumerate(points):
        beaten = any(c <= cost and g >= gain and (c, g) != (cost, gain) for c, g in points)
        assert (place in front) != beaten


@given(st.lists(st.tuples(st.integers(90, 130), st.integers(0, 6)), min_size=1, max_size=12))
def test_with_a_tolerance_the_better_one_of_equal_costs_is_on_the_front(points: list[tuple[int, int]]) -> None:
    costs, scores = [cost for cost, _ in points], [score for _, score in points]
    front = pareto_front(costs, scores, 0.05)
    assert front, "beating has no cycles, although equality within a tolerance is not transitive"
    on_front, _ = front_shares(costs, np.array(scores, dtype=float)[:, None], 0.05)
    assert {place for place, share in enumerate(on_front) if share == 1} == set(front)
    for place, (cost, score) in enumerate(points):
        cheaper = any(c <= 0.95 * cost and s >= score for c, s in points)
        better = any(abs(c - cost) < 0.05 * max(c, cost) and s > score for c, s in points)
        assert (place in front) != (cheaper or better)
    assert [scores[place] for place in front] == sorted(scores[place] for place in front)


def test_seconds_that_differ_by_less_than_five_percent_are_equal() -> None:
    assert pareto_front([100, 104], [60, 61], 0.05) == [1], "4% slower is as fast, and one point better"
    assert pareto_front([100, 106], [60, 61], 0.05) == [0, 1]
    assert pareto_front([100, 104], [60, 61]) == [0, 1], "operations are exact"
    assert pareto_front([100, 104], [60, 60], 0.05) == [0, 1], "equal in both"
    # The first is as fast as the second and the second as the third, but the first is faster than the third.
    assert pareto_front([100, 104, 108], [60, 60, 60], 0.05) == [0, 1]


@given(
    st.lists(st.tuples(st.integers(0, 3), st.lists(st.integers(0, 4), min_size=5, max_size=5)), min_size=1, max_size=7)
)
def test_a_point_is_on_the_front_in_the_resamples_in_which_nothing_beats_it(
    points: list[tuple[int, list[int]]],
) -> None:
    costs, scores = [cost for cost, _ in points], np.array([drawn for _, drawn in points], dtype=float)
    on_front, beats = front_shares(costs, scores)
    fronts = [pareto_front(costs, list(scores[:, draw])) for draw in range(5)]
    for place in range(len(points)):
        assert on_front[place] == pytest.approx(np.mean([place in front for front in fronts]))
        assert beats[place, place] == 0
        assert beats[place].max() - 1e-12 <= 1 - on_front[place] <= beats[place].sum() + 1e-12


def test_a_dearer_point_that_is_a_little_better_may_be_beaten() -> None:
    """One point better with a standard error of one: the cheaper one is as good in 16% of draws."""
    generator = np.random.default_rng(6)
    draws = generator.normal([[60.0], [61.0]], np.sqrt(0.5), (2, 40_000))
    on_front, beats = front_shares([1.0, 2.0], draws)
    assert on_front[0] == 1
    assert beats[1, 0] == pytest.approx(0.159, abs=0.01)
    assert on_front[1] == pytest.approx(1 - beats[1, 0])
