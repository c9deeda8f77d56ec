"""Fieller's interval of a ratio: values computed by hand, its ends as tests of a difference, and coverage."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from adaptx.report.statistics.fieller import fieller


def test_values_computed_by_hand() -> None:
    """3 / 6 with the margins 1 and 2: (18 -+ sqrt(18^2 - 32 * 8)) / 32 without covariance, and with one of 0.5."""
    independent = fieller(3, 6, margins=(1, 2), margin_of_difference=5**0.5)
    assert independent == pytest.approx((0.304806, 0.820194), abs=1e-6)
    correlated = fieller(3, 6, margins=(1, 2), margin_of_difference=2)
    assert correlated == pytest.approx((0.325353, 0.768397), abs=1e-6)


def test_a_denominator_known_exactly_divides_the_interval_of_the_numerator() -> None:
    assert fieller(3, 6, margins=(1.5, 0), margin_of_difference=1.5) == pytest.approx((0.25, 0.75))


def test_a_denominator_that_may_be_zero_gives_no_interval() -> None:
    assert fieller(3, 2, margins=(1, 2), margin_of_difference=2) is None
    assert fieller(3, 1.9, margins=(1, 2), margin_of_difference=2) is None
    assert fieller(3, 2.1, margins=(1, 2), margin_of_difference=2) is not None


@given(
    st.floats(-5, 5), st.floats(0.5, 5), st.floats(0.05, 2), st.floats(0.05, 0.95), st.floats(-1, 1), st.floats(0.1, 10)
)
def test_the_ends_are_the_ratios_that_a_test_just_rejects(a, b, margin, share, correlation, scale) -> None:
    below = share * b
    of_difference = max(margin**2 + below**2 - 2 * correlation * margin * below, 0.0) ** 0.5
    found = fieller(a, b, margins=(margin, below), margin_of_difference=of_difference)
    assert found is not None
    low, high = found
    assert low <= a / b + 1e-9
    assert a / b <= high + 1e-9
    for end in found:
        squared = margin**2 - 2 * end * correlation * margin * below + end**2 * below**2
        assert (a - end * b) ** 2 == pytest.approx(squared, rel=1e-4, abs=1e-5)
    scaled = fieller(
        scale * a, scale * b, margins=(scale * margin, scale * below), margin_of_difference=scale * of_difference
    )
    assert scaled == pytest.approx(found, rel=1e-4, abs=1e-5), "a ratio does not depend on the unit"


@pytest.mark.parametrize("correlation", [0.0, 0.7])
def test_it_holds_the_true_ratio_in_95_percent_of_experiments(correlation: float) -> None:
    generator, seeds, truth = np.random.default_rng(4), 5, (0.03, 0.05)
    covariance = 0.01**2 * np.array([[1.0, correlation], [correlation, 1.0]])
    held, bounded = 0, 0
    for _ in range(2_000):
        sample = generator.multivariate_normal(truth, covariance, seeds)
        t = stats.t.ppf(0.975, seeds - 1)
        margin = [t * np.std(each, ddof=1) / seeds**0.5 for each in (*sample.T, sample[:, 0] - sample[:, 1])]
        found = fieller(*sample.mean(axis=0), margins=(margin[0], margin[1]), margin_of_difference=margin[2])
        bounded += found is not None
        held += found is None or found[0] <= truth[0] / truth[1] <= found[1]
    assert bounded > 1_900
    assert 0.94 <= held / 2_000 <= 0.96
