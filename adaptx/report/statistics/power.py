"""The smallest true effect that a t test finds with a given probability.

A test at level 0.95 finds an effect if the measured effect is larger than t(0.975) standard errors. The standard error
is itself an estimate, which varies more with fewer degrees of freedom. The measured t value therefore has a noncentral
t distribution, and the effect is found by solving for its noncentrality: Cohen 1988, Statistical Power Analysis for the
Behavioral Sciences, chapter 2. Card et al. 2020, With Little Power Comes Great Responsibility (EMNLP,
arXiv:2010.06595), show why experiments in NLP need it.
"""

import functools

import numpy as np

from adaptx.report.statistics.bootstrap import LEVEL

POWER = 0.8
"""The probability with which a detectable effect is found: in 4 of 5 experiments."""
NODES = 1_024
BISECTIONS = 40
MOST_DEGREES = 1e6
"""Above this number of degrees of freedom, the standard error counts as known."""


@functools.lru_cache(maxsize=4_096)
def detectable_errors(degrees: float, power: float = POWER, level: float = LEVEL) -> float:
    """Return how many standard errors a true effect must have to be found with probability `power`.

    It is 2.80 for a known standard error (1.96 + 0.84), 3.05 for 12 degrees of freedom, and 5.65 for 2.

    Args:
        degrees: degrees of freedom of the standard error; may be infinite.
        power: probability that the test finds the effect, with its right sign.
        level: the test is two-sided and rejects at p < 1 - `level`.
    """
    # `scipy.stats` has the same functions, but takes a second to import, and `adaptx plan` answers at once.
    from scipy import special

    tail = 0.5 + level / 2
    if degrees > MOST_DEGREES:
        return float(special.ndtri(tail) + special.ndtri(power))
    threshold = float(special.stdtrit(degrees, tail))
    # The estimated standard error as a share of the true one, at the middle of each of many equally likely ranges.
    middles_N = (np.arange(NODES) + 0.5) / NODES
    share_N = np.sqrt(special.chdtri(degrees, 1 - middles_N) / degrees)
    low, high = 0.0, threshold * float(share_N.max()) + 10.0
    for _ in range(BISECTIONS):
        effect = (low + high) / 2
        if special.ndtr(effect - threshold * share_N).mean() < power:
            low = effect
        else:
            high = effect
    return high
