"""The gain that a design can detect: against scipy, statsmodels, the report's verdicts and simulated experiments."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.power import NormalIndPower, TTestPower

from adaptx.report.statistics.power import detectable_errors


@given(st.floats(1, 500), st.floats(0.6, 0.95), st.floats(0.9, 0.999))
@settings(max_examples=40, deadline=None)
def test_a_detectable_effect_is_found_with_the_power_that_noncentral_t_gives(
    degrees: float, power: float, level: float
) -> None:
    effect = detectable_errors(degrees, power, level)
    threshold = stats.t.ppf(0.5 + level / 2, degrees)
    assert stats.nct.sf(threshold, degrees, effect) == pytest.approx(power, abs=0.002)


def test_it_is_what_statsmodels_computes_for_one_sample() -> None:
    for seeds in (3, 5, 8):
        theirs = TTestPower().solve_power(nobs=seeds, alpha=0.05, power=0.8)
        assert detectable_errors(seeds - 1) == pytest.approx(theirs * seeds**0.5, rel=1e-3)
    known = NormalIndPower(ddof=0).solve_power(nobs1=1, ratio=0, alpha=0.05, power=0.8)
    assert detectable_errors(float("inf")) == pytest.approx(known, rel=1e-4)


@given(st.floats(1, 300), st.floats(1.05, 3))
@settings(max_examples=40, deadline=None)
def test_more_degrees_detect_less_and_a_stricter_test_detects_more(degrees: float, factor: float) -> None:
    effect = detectable_errors(degrees)
    assert detectable_errors(float("inf")) <= detectable_errors(degrees * factor) < effect
    assert detectable_errors(degrees, level=0.99) > effect
