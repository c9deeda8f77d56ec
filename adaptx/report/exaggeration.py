"""A claimed gain that its design could hardly detect is likely too large: the type M error."""

from adaptx.report.cells import percent, points
from adaptx.report.gain import Gain


def exaggeration(claimed: Gain) -> str:
    """Return a sentence if a claimed gain is smaller than what the corrected test detects; empty otherwise.

    If the true gain were as large as the measured one, fewer than 4 of 5 such experiments would find it. Those that do
    are the ones in which chance adds to it, so the measured gain is likely too large. Source: Card et al. 2020, With
    Little Power Comes Great Responsibility (arXiv:2010.06595), section 2, after Gelman and Carlin 2014.
    """
    needed = claimed.corrected_detectable
    if claimed.sign <= 0 or claimed.gain is None or needed is None or needed <= claimed.gain:
        return ""
    return (
        f"With this design, a gain of {points(claimed.gain)} is likely an overestimate: only a true gain of "
        f"{percent(needed)} points would be found in 4 of 5 such experiments"
    )
