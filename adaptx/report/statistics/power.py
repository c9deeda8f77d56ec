"""The smallest true effect that a test over rows and seeds finds with a given probability.

A test at level 0.95 finds an effect if the measured effect is larger than its half width (`half_width`). The variance
over seeds is itself an estimate, which varies more with fewer degrees of freedom, and the half width varies with it.
The probability that an effect is found is the mean over these estimates, and the effect with the wanted probability is
found by bisection. With seeds alone, this is the power of a t test (Cohen 1988, Statistical Power Analysis for the
Behavioral Sciences, chapter 2). Card et al. 2020, With Little Power Comes Great Responsibility (EMNLP,
arXiv:2010.06595), show why experiments in NLP need it.

Suffix of arrays: N equally likely estimates.
"""

import functools

import numpy as np

from adaptx.report.statistics.bootstrap import LEVEL, Floats
from adaptx.report.statistics.half_width import MOST_DEGREES, half_width

POWER = 0.8
"""The probability with which a detectable effect is found: in 4 of 5 experiments."""
NODES = 1_024
BISECTIONS = 40


def detectable_effect(
    variance: float, seeds: float, degrees: float, level: float = LEVEL, power: float = POWER
) -> float:
    """Return the smallest true effect that is found with probability `power`, and with its right sign.

    In standard errors, it is 2.80 for a variance over rows alone (1.96 + 0.84). For a variance over seeds alone, it is
    3.05 with 12 degrees of freedom, and 5.65 with 2.

    Args:
        variance: the variance of the effect over rows and seeds.
        seeds: the part of it that is over seeds.
        degrees: the degrees of freedom of an estimate of `seeds`.
        level: the test rejects at p < 1 - `level`.
        power: the wanted probability.
    """
    return variance**0.5 * _in_errors(min(seeds / variance, 1.0), degrees, level, power)


def smallest_effect(limits_N: Floats, error: float, power: float = POWER) -> float:
    """Return the true effect whose estimate exceeds its limit with probability `power`.

    limits_N: what an estimate must exceed to count as found. error: the true standard error of the estimate.
    """
    # `scipy.stats` has the same functions, but takes a second to import, and `adaptx plan` answers at once.
    from scipy import special

    low, high = 0.0, float(limits_N.max()) + 10 * error
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        found = float(special.ndtr((middle - limits_N) / error).mean())
        low, high = (middle, high) if found < power else (low, middle)
    return high


@functools.lru_cache(maxsize=4_096)
def _in_errors(share: float, degrees: float, level: float, power: float) -> float:
    """Return the detectable effect in standard errors. share: the part of the variance that is over seeds."""
    from scipy import special

    if degrees > MOST_DEGREES or share == 0:
        return float(special.ndtri(0.5 + level / 2) + special.ndtri(power))
    # The estimate of the variance over seeds, at the middle of each of many equally likely ranges.
    middles_N = (np.arange(NODES) + 0.5) / NODES
    seeds_N = share * special.chdtri(degrees, 1 - middles_N) / degrees
    limits_N = half_width(1 - share + seeds_N, seeds_N, np.full(NODES, degrees), level)
    return smallest_effect(limits_N, 1.0, power)
