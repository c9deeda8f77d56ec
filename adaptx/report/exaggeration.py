"""A claimed difference that its design could hardly detect is likely too large: the type M error."""

from adaptx.report.cells import percent, points


def exaggeration(claimed: float | None, needed: float | None, thing: str = "gain") -> str:
    """Return a sentence if a claimed difference is smaller than what the corrected test detects; empty otherwise.

    If the true difference were as large as the measured one, fewer than 4 of 5 such experiments would find it. Those
    that do are mostly the ones in which chance adds to it, so the measured one is likely too large. Source: Card et al.
    2020, With Little Power Comes Great Responsibility (arXiv:2010.06595), section 2, after Gelman and Carlin 2014.

    Args:
        claimed: a difference with a verdict, as a share.
        needed: the smallest true difference that the corrected test finds in 4 of 5 experiments.
        thing: what the difference is called.
    """
    if claimed is None or needed is None or needed <= abs(claimed):
        return ""
    return (
        f"With this design, a {thing} of {points(claimed)} is likely an overestimate: only a true {thing} of "
        f"{percent(needed)} points would be found in 4 of 5 such experiments"
    )
