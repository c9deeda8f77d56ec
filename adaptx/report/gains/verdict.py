"""One verdict per test, wherever a report shows it.

The gain in the source languages is the gain in English if English is the only source language, and a declared contrast
may be a variant minus its baseline. Such a test is made once and corrected in one family of comparisons. Every table,
figure and sentence shows that verdict.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class Compared:
    """The two sides of a test: the mean scores of two variants in some languages.

    Attributes:
        ours, theirs: labels of the variants. The test is about the score of `ours` minus that of `theirs`.
        languages: the languages of the mean.
        minus: languages whose mean is subtracted; empty unless the test is about a difference between languages.
        seeds: number of compared seeds.
    """

    task: str
    metric: str
    ours: str
    theirs: str
    languages: frozenset[str]
    minus: frozenset[str] = frozenset()
    seeds: int

    @property
    def oriented(self) -> tuple["Compared", bool]:
        """The test with its names in alphabetical order, and whether its difference has the opposite sign.

        "A minus B" and "B minus A" are one test.
        """
        found, is_reversed = self, False
        if found.theirs < found.ours:
            found, is_reversed = replace(found, ours=found.theirs, theirs=found.ours), not is_reversed
        if found.minus and sorted(found.minus) < sorted(found.languages):
            found, is_reversed = replace(found, languages=found.minus, minus=found.languages), not is_reversed
        return found, is_reversed


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The result of a test, with and without correction.

    Attributes:
        low, high, p: 95% interval and two-sided p-value.
        holm_p, corrected_low, corrected_high: the same, corrected for all comparisons of the family.
        detectable, corrected_detectable: the smallest true difference that the test finds with probability 0.8, before
            and after correction.
        family: name of the family of comparisons, such as `languages`.
        family_size: number of tests in the family.
    """

    low: float
    high: float
    p: float
    holm_p: float
    corrected_low: float
    corrected_high: float
    detectable: float
    corrected_detectable: float
    family: str
    family_size: int

    @property
    def reversed(self) -> "Verdict":
        """The verdict on the same difference with the opposite sign."""
        return replace(
            self,
            low=-self.high,
            high=-self.low,
            corrected_low=-self.corrected_high,
            corrected_high=-self.corrected_low,
        )


@dataclass(frozen=True)
class Verdicts:
    """The verdicts of a report. by_test: `Compared.oriented` -> its verdict."""

    by_test: Mapping[Compared, Verdict] = field(default_factory=dict[Compared, Verdict])

    def of(self, compared: Compared | None) -> Verdict | None:
        """Return the verdict on a test; None if it was not made."""
        if compared is None:
            return None
        oriented, is_reversed = compared.oriented
        found = self.by_test.get(oriented)
        return found.reversed if found is not None and is_reversed else found

    def with_more(self, more: Iterable[tuple[Compared, Verdict]]) -> "Verdicts":
        """Return these verdicts and more. A test that already has a verdict keeps it."""
        found = dict(self.by_test)
        for compared, verdict in more:
            oriented, is_reversed = compared.oriented
            found.setdefault(oriented, verdict.reversed if is_reversed else verdict)
        return Verdicts(found)


NO_VERDICTS = Verdicts()


class Tested(Protocol):
    """A gain or a contrast. It has the fields of a `Verdict`, which are None if it was not tested."""

    @property
    def compared(self) -> Compared | None: ...

    @property
    def holm_p(self) -> float | None: ...


def verdicts_of(tested: Iterable[Tested]) -> Verdicts:
    """Return the verdicts of gains and contrasts. If two of them are the same test, they have the same verdict."""
    found: list[tuple[Compared, Verdict]] = []
    for each in tested:
        if each.holm_p is not None and (compared := each.compared) is not None:
            found.append((compared, Verdict(**{name.name: getattr(each, name.name) for name in fields(Verdict)})))
    return NO_VERDICTS.with_more(found)
