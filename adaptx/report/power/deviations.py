"""How much a planned comparison would vary with other test rows and other seeds: measured, given, or assumed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from adaptx.report.power.design import Design
from adaptx.report.statistics.two_way import RowVariance, SeedVariance

Source = Literal["measured", "similar", "given", "assumed"]
"""Where a deviation comes from: the stored scores of the same comparison, those of other comparisons on the same task,
the user, or `ASSUMED`."""
LEAST_DEGREES = 2
"""A measured variance over seeds counts from this number of degrees of freedom on."""


@dataclass(frozen=True, kw_only=True)
class Spread:
    """How much the difference of two models varies. Variances are those of shares, such as 0.02**2 for two points.

    Attributes:
        rows: the variance of the difference on one row.
        shared: the part of it, from 0 to 1, that is the same with every seed.
        seeds: the variance of the mean difference over seeds, apart from the choice of rows.
    """

    rows: float
    shared: float
    seeds: float


ASSUMED = Spread(rows=0.25, shared=0.5, seeds=0.02**2)
"""One model is right and the other wrong on a quarter of the rows (discordance, Card et al. 2020, section 4; 0.14 to
0.31 in the quickstart). The part that all seeds share is at most about a half, because two seeds of one variant also
disagree. Gains of small encoders vary by 0.4 to 7 points over seeds."""


@dataclass(frozen=True, kw_only=True)
class Deviations:
    """The variances of a planned comparison, as shares squared.

    Attributes:
        shared: variance over rows that is the same with every seed.
        own: variance over rows that is added with each seed.
        seeds: variance over seeds, apart from rows.
        of_rows, of_seeds: where the variances over rows, and over seeds, come from.
    """

    shared: float
    own: float
    seeds: float
    of_rows: Source
    of_seeds: Source


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A stored comparison: its seeds, its number of test rows, and its variances. `pooled` is None if it is unknown."""

    seeds: int
    examples: int
    rows: RowVariance
    pooled: SeedVariance | None

    def deviations(self, design: Design, otherwise: Deviations) -> Deviations:
        """Return the measured variances, scaled to the design's number of rows. `otherwise` fills in what is not
        measured.
        """
        rows = design.rows
        assert rows is not None
        scale = self.examples / rows
        if self.seeds > 1:
            own, shared = self.rows.by_seed * self.seeds, max(self.rows.mean - self.rows.by_seed, 0.0)
        else:
            part = otherwise.shared / (otherwise.shared + otherwise.own)
            shared, own = part * self.rows.mean, (1 - part) * self.rows.mean
        found = replace(otherwise, shared=scale * shared, own=scale * own, of_rows="measured")
        if self.pooled is None or self.pooled.degrees < LEAST_DEGREES:
            return found
        return replace(found, seeds=max(self.pooled.variance - own, 0.0), of_seeds="measured")


def expected(design: Design, spread: Spread, of_rows: Source, of_seeds: Source) -> Deviations:
    """Return the variances of a design if any two of its models differ as `spread` says."""
    variance = design.row_variance(spread.rows)
    return Deviations(
        shared=spread.shared * variance,
        own=(1 - spread.shared) * variance,
        seeds=spread.seeds / 2 * design.squares,
        of_rows=of_rows,
        of_seeds=of_seeds,
    )


def similar(measured: Sequence[tuple[Design, Deviations]]) -> tuple[Spread, Source]:
    """Return the mean spread of measured gains, and where its variance over seeds comes from.

    That source is `similar`, or `assumed` if no gain has a measured variance over seeds.
    """
    of_pair = [(found.shared + found.own) / design.row_variance(1.0) for design, found in measured]
    part = sum(found.shared for _, found in measured) / sum(found.shared + found.own for _, found in measured)
    over_seeds = [found.seeds for _, found in measured if found.of_seeds == "measured"]
    seeds = float(np.mean(over_seeds)) if over_seeds else ASSUMED.seeds
    spread = Spread(rows=float(np.mean(of_pair)), shared=part, seeds=seeds)
    return spread, "similar" if over_seeds else "assumed"
