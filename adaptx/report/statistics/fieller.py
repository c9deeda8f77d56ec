"""The interval of a ratio of two gains, such as the share of the gain in English that other languages keep.

A share of 60% is plausible if the numerator minus 0.6 times the denominator may be zero. All such shares are the
interval (Fieller 1954, Some Problems in Interval Estimation, Journal of the Royal Statistical Society B 16(2)). If the
denominator itself may be zero, every share is plausible at one end, and there is no bounded interval.

Numerator and denominator are measured on the same models, so they are correlated. Their covariance follows from the
variance of their difference: var(a - b) = var(a) + var(b) - 2 cov(a, b). All three variances are over rows and seeds.
"""


def fieller(
    numerator: float, denominator: float, *, margins: tuple[float, float], margin_of_difference: float
) -> tuple[float, float] | None:
    """Return the interval (low, high) of numerator / denominator; None if it is unbounded.

    Args:
        numerator: a mean, such as the gain in the zero-shot languages.
        denominator: a mean, such as the gain in the source languages.
        margins: half of the width of each mean's interval. Its square is t^2 var, with the quantile t of the level.
        margin_of_difference: the same for the difference of the two means.
    """
    above, below = margins
    # The largest covariance that two variances allow is that of a correlation of one.
    covariance = (above**2 + below**2 - margin_of_difference**2) / 2
    covariance = max(-above * below, min(above * below, covariance))
    # The ends are the roots r of (numerator - r denominator)^2 = t^2 var(numerator - r denominator).
    square = denominator**2 - below**2
    if square <= 0:
        return None
    middle = numerator * denominator - covariance
    root = max(middle**2 - square * (numerator**2 - above**2), 0.0) ** 0.5
    return (middle - root) / square, (middle + root) / square
