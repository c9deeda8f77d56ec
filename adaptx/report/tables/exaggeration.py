"""A sentence about claimed differences that may be too large, because the experiment could hardly detect them.

This is the type M error of Gelman and Carlin 2014.
"""

from adaptx.report.tables.cells import percent, points


def exaggeration(claimed: float | None, needed: float | None, thing: str = "gain") -> str:
    """Return a sentence if a claimed difference is smaller than what the corrected test detects; empty otherwise.

    Small true differences are found mostly when chance adds to them. The measured difference is then too large. Source:
    Card et al. 2020, With Little Power Comes Great Responsibility (arXiv:2010.06595), section 2.

    Args:
        claimed: a difference with a verdict, as a share.
        needed: the smallest true difference that the corrected test finds in 4 of 5 experiments.
        thing: what the difference is called.
    """
    if claimed is None or needed is None or needed <= abs(claimed):
        return ""
    return (
        f"A {thing} of {points(claimed)} may be too large: this design finds a true {thing} in 4 of 5 experiments only "
        f"from {percent(needed)} points on, and a smaller one mostly when chance adds to it"
    )
