"""A variant's gain over its matched baseline, with its interval, test and verdict."""

from dataclasses import dataclass
from typing import Literal

from adaptx.report.gains.verdict import Compared
from adaptx.report.statistics.over_seeds import LEAST_SEEDS

ZERO_SHOT = "zero-shot average"
SOURCE = "source languages"
GAP = "generalisation gap"
ALPHA = 0.05
"""A difference is called a gain or a loss if its corrected p-value is below this."""


@dataclass(frozen=True, kw_only=True)
class Gain:
    """A variant's score and gain in one quantity of one task, averaged over its seeds. Scores are shares in [0, 1].

    Attributes:
        quantity: a language's code, `ZERO_SHOT`, `SOURCE`, `GAP` (source minus zero-shot), a class of languages, or a
            difference between classes.
        attribute: the attribute that defines the class, such as `script`, or `difference by script`; empty if
            the quantity is not about classes.
        languages: the languages over which the score is averaged.
        minus: languages whose mean score is subtracted (`GAP`, differences between classes); else empty.
        examples: number of test rows, summed over the languages.
        gain: the variant's score minus the baseline's; None without a baseline.
        low, high, p: 95% interval and two-sided p-value of the gain. With at least three seeds (`seeds_compared`),
            they cover the choice of rows and of seeds; with fewer, that of rows alone. None if `note` says why.
        holm_p, corrected_low, corrected_high: p-value and interval, corrected for all comparisons of the family.
        family, family_size: name of the family of comparisons, and the number of its tests. Within a task and metric,
            all languages are one family, each average is one, and each attribute is one. All primary comparisons are
            one family. A test that stands in several tables, such as a single source language, is in one family.
        standing: `primary` if the recipe declares that this comparison answers its question, else `exploratory`.
        row_low, row_high, row_p: interval and p-value for the choice of rows alone, with the trained models as they
            are.
        by_seed: the gain of each seed that has a baseline, in the order of the recipe.
        seeds_compared, seed_deviation: number of these seeds, and the standard deviation of their gains.
        detectable: the smallest true gain that a test on this many rows and seeds finds with probability 0.8, before
            correction.
        corrected_detectable: the same for the corrected test, with p < 0.05 / `family_size`.
        note: why there is no gain or no interval, or how the baseline differs in its settings.
        one_class: languages in which the model of a seed predicts a single class, such as `de (entailment)`.
    """

    task: str
    metric: str
    model: str
    method: str
    start: str
    intermediate: str
    target: str
    variant: str
    is_baseline: bool
    seeds: int
    quantity: str
    languages: tuple[str, ...]
    minus: tuple[str, ...] = ()
    examples: int
    score: float
    baseline: str | None = None
    baseline_score: float | None = None
    gain: float | None = None
    low: float | None = None
    high: float | None = None
    note: str = ""
    attribute: str = ""
    p: float | None = None
    holm_p: float | None = None
    corrected_low: float | None = None
    corrected_high: float | None = None
    family: str = ""
    family_size: int = 0
    standing: Literal["primary", "exploratory"] = "exploratory"
    row_low: float | None = None
    row_high: float | None = None
    row_p: float | None = None
    by_seed: tuple[float, ...] = ()
    seeds_compared: int = 0
    seed_deviation: float | None = None
    detectable: float | None = None
    corrected_detectable: float | None = None
    one_class: str = ""

    @property
    def is_language(self) -> bool:
        return not self.attribute and self.quantity not in (ZERO_SHOT, SOURCE, GAP)

    @property
    def compared(self) -> Compared | None:
        """The variant and its baseline, by which the gain's test is found; None without a gain."""
        if self.gain is None or self.baseline is None:
            return None
        return Compared(
            task=self.task,
            metric=self.metric,
            ours=self.variant,
            theirs=self.baseline,
            languages=frozenset(self.languages),
            minus=frozenset(self.minus),
            seeds=self.seeds_compared,
        )

    @property
    def over_seeds(self) -> bool:
        """Whether the interval and the p-value cover the choice of seeds."""
        return self.seeds_compared >= LEAST_SEEDS

    @property
    def sign(self) -> int:
        """The verdict after Holm's correction: 1 for a gain, -1 for a loss, 0 if neither is shown."""
        if self.holm_p is None or self.gain is None or self.holm_p >= ALPHA:
            return 0
        return (self.gain > 0) - (self.gain < 0)

    @property
    def is_uncertain(self) -> bool:
        """Whether a test was made and showed neither a gain nor a loss."""
        return self.holm_p is not None and self.sign == 0
