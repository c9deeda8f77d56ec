"""The half width of a t interval whose variance is that over seeds, which is estimated, and that over rows.

The variance over rows comes from hundreds of rows and counts as known. The variance over seeds comes from few seeds and
has few degrees of freedom. Their sum has more (Satterthwaite 1946, An Approximate Distribution of Estimates of Variance
Components, Biometrics Bulletin 2(6)), so its t quantile is smaller. Alone, this rule would give three seeds a wider
interval on exactly known rows than on rows that add a little variance, because the quantile rises faster than the
variance falls. The half width is therefore at least that of the seeds alone, which is exact if the rows are known
exactly. It never falls when the variance over rows rises.

Without this limit, three seeds would give up to 7.8% false alarms at p < 0.05, and 3.5% at p < 0.01. With it, they
give 5.1% and 1.0%. With five seeds, up to 5.8% and 1.7% become 5.7% and 1.2%.
"""

import numpy as np

from adaptx.report.statistics.bootstrap import Floats

MOST_DEGREES = 1e6
"""Above this number of degrees of freedom, the standard error counts as known."""


def half_width(variance: Floats, seeds: Floats, degrees: Floats, level: float) -> Floats:
    """Return how far an estimate must be from zero so that a test rejects at p < 1 - `level`.

    It is also the half width of the interval with this level. All arrays have the same shape.

    Args:
        variance: the variance of the estimate over rows and seeds.
        seeds: the part of it that is over seeds; zero if all seeds are alike.
        degrees: the degrees of freedom of `seeds`.
        level: such as 0.95.
    """
    both = _quantile(satterthwaite(variance, seeds, degrees), level) * np.sqrt(variance)
    return np.maximum(both, _quantile(degrees, level) * np.sqrt(seeds))


def p_value(effect: float, variance: float, seeds: float, degrees: float) -> float:
    """Return the two-sided p-value of an effect: the p < 1 - `level` at which `half_width` is as large as the effect.

    It is the larger of the p-values for rows and seeds together and for seeds alone.
    """
    both = _two_sided(abs(effect) / variance**0.5, float(satterthwaite(variance, seeds, degrees)))
    return both if seeds == 0 else max(both, _two_sided(abs(effect) / seeds**0.5, degrees))


def satterthwaite(variance: Floats | float, seeds: Floats | float, degrees: Floats | float) -> Floats:
    """Return the degrees of freedom of a variance, of which the part `seeds` has `degrees` and the rest is known."""
    # A variance below this share of the whole is none: rounding may leave it where all seeds have the same gain.
    ratio = np.asarray(variance) / np.maximum(seeds, np.asarray(variance) / MOST_DEGREES)
    return degrees * np.square(ratio)


def _quantile(degrees: Floats, level: float) -> Floats:
    from scipy import special

    tail = 0.5 + level / 2
    distinct, place = np.unique(degrees, return_inverse=True)
    of_distinct = np.where(
        distinct > MOST_DEGREES, special.ndtri(tail), special.stdtrit(np.minimum(distinct, MOST_DEGREES), tail)
    )
    return of_distinct[place].reshape(np.shape(degrees))


def _two_sided(errors: float, degrees: float) -> float:
    from scipy import special

    return float(2 * (special.ndtr(-errors) if degrees > MOST_DEGREES else special.stdtr(degrees, -errors)))
