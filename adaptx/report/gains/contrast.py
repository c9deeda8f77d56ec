"""The result of a contrast: its difference with interval, test and verdict."""

from dataclasses import dataclass

from adaptx.report.gains.gain import ALPHA
from adaptx.report.gains.verdict import Compared
from adaptx.report.statistics.over_seeds import LEAST_SEEDS


@dataclass(frozen=True, kw_only=True)
class ContrastResult:
    """The result of a contrast. All scores are shares in [0, 1].

    Attributes:
        name: what is compared, in the recipe's words.
        tasks: what the difference is averaged over, together with `languages`.
        metric: the first metric of the tasks; several are joined by a plus sign.
        examples: number of test rows, summed over tasks and languages.
        difference: the weighted sum of the terms' mean scores, averaged over seeds. None if `note` says why not.
        low, high, p: 95% interval and two-sided p-value. With at least three seeds, they cover the choice of rows and
            of seeds; with fewer, that of rows alone.
        holm_p, corrected_low, corrected_high: p-value and interval, corrected for all comparisons of the family.
        family, family_size: name of that family, and the number of its tests. It is `contrasts`, unless the contrast is
            a gain that has a verdict already.
        ours, theirs: labels of the two variants if the contrast is the score of one minus that of the other; else
            empty.
        row_low, row_high: 95% interval for the choice of rows alone, with the trained models as they are.
        by_seed: the difference with each seed, in the order of `seeds`. Both are empty if no model is trained.
        detectable: the smallest true difference that a test on so many rows and seeds finds with probability 0.8,
            before correction.
        corrected_detectable: the same for the corrected test, with p < 0.05 / number of tested contrasts.
    """

    name: str
    tasks: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    metric: str = ""
    examples: int = 0
    difference: float | None = None
    seeds: tuple[int, ...] = ()
    by_seed: tuple[float, ...] = ()
    low: float | None = None
    high: float | None = None
    p: float | None = None
    holm_p: float | None = None
    corrected_low: float | None = None
    corrected_high: float | None = None
    row_low: float | None = None
    row_high: float | None = None
    detectable: float | None = None
    corrected_detectable: float | None = None
    note: str = ""
    family: str = ""
    family_size: int = 0
    ours: str = ""
    theirs: str = ""

    @property
    def compared(self) -> Compared | None:
        """The two variants that the contrast compares, by which its test is found; None if it compares more."""
        if not self.ours:
            return None
        return Compared(
            task=self.tasks[0],
            metric=self.metric,
            ours=self.ours,
            theirs=self.theirs,
            languages=frozenset(self.languages),
            seeds=max(1, len(self.by_seed)),
        )

    @property
    def over_seeds(self) -> bool:
        """Whether the interval and the p-value cover the choice of seeds."""
        return len(self.by_seed) >= LEAST_SEEDS

    @property
    def sign(self) -> int:
        """The verdict after Holm's correction: 1 if the difference is above zero, -1 if below, 0 if undecided."""
        if self.holm_p is None or self.difference is None or self.holm_p >= ALPHA:
            return 0
        return (self.difference > 0) - (self.difference < 0)
