"""Whether more compute in the intermediate training lowers the gain: the largest budget against the best smaller one.

The question is asked of each series with at least three budgets, in the zero-shot average and in classes of languages,
because low-resource languages may lose while others still gain.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from adaptx.report.gains.corrected import corrected
from adaptx.report.gains.gain import ALPHA, SOURCE, ZERO_SHOT
from adaptx.report.gains.scaling import Series
from adaptx.report.gains.verdict import Compared, Verdict, Verdicts
from adaptx.report.statistics.peak import StepToLast, best_smaller, steps_to_last
from adaptx.report.statistics.trend import Trend
from adaptx.specs import Task

LOW, HIGH = "low-resource languages", "high-resource languages"
PLACES = (ZERO_SHOT, SOURCE, HIGH, LOW)


@dataclass(frozen=True, eq=False, kw_only=True)
class LaterPeak:
    """The largest budget of a series compared with the smaller budget that has the largest gain.

    Attributes:
        where: the languages whose mean gain is compared, such as `low-resource languages`.
        step: the comparison of the two budgets.
        verdict: the verdict on it; None if nothing varies. It is corrected for the comparisons of the largest budget of
            every series with every smaller one in these languages, or in another family that has the same test.
        over_seeds: whether the test covers seeds.
    """

    series: str
    where: str
    step: StepToLast
    verdict: Verdict | None
    over_seeds: bool

    @property
    def sign(self) -> int:
        """The verdict: -1 if the largest budget has a lower gain, 1 if it has a higher one, 0 if neither is shown."""
        if self.verdict is None or self.verdict.holm_p >= ALPHA:
            return 0
        return (self.step.change > 0) - (self.step.change < 0)


def peaks(task: Task, series: Sequence[Series], verdicts: Verdicts) -> tuple[list[LaterPeak], Verdicts]:
    """Return the comparisons of all series, in the order of the series and of `PLACES`, and all verdicts.

    verdicts: those of the report so far. A comparison that has one keeps it.
    """
    found: list[LaterPeak] = []
    for where in PLACES:
        in_place, verdicts = _peaks_in(where, task, series, verdicts)
        found += in_place
    order = [each.name for each in series]
    return sorted(found, key=lambda peak: (order.index(peak.series), PLACES.index(peak.where))), verdicts


def _peaks_in(where: str, task: Task, series: Sequence[Series], verdicts: Verdicts) -> tuple[list[LaterPeak], Verdicts]:
    """Return the comparisons in some languages, corrected together, and all verdicts."""
    trends = [(each, trend) for each in series if (trend := _trend_in(where, each)) is not None]
    steps = {each.name: steps_to_last(trend) for each, trend in trends}
    tests = {step: _compared(where, task, each, step) for each, _ in trends for step in steps[each.name]}
    known = {step: verdicts.of(compared) for step, compared in tests.items()}
    untested = [step for step, verdict in known.items() if verdict is None and step.test is not None]
    made = corrected([step.test for step in untested if step.test is not None], f"largest budget, {where}")
    known |= dict(zip(untested, made, strict=True))
    found = [
        LaterPeak(series=each.name, where=where, step=best, verdict=known[best], over_seeds=trend.over_seeds)
        for each, trend in trends
        if (best := best_smaller(steps[each.name])) is not None
    ]
    named = [(tests[step], verdict) for step, verdict in known.items()]
    return found, verdicts.with_more((test, each) for test, each in named if test is not None and each is not None)


def _trend_in(where: str, series: Series) -> Trend | None:
    """Return the trend of a series in some languages; None for a common slope, whose checkpoints differ in budgets."""
    if series.is_common:
        return None
    return {ZERO_SHOT: series.trend, SOURCE: series.source, HIGH: series.high, LOW: series.low}[where]


def _compared(where: str, task: Task, series: Series, step: StepToLast) -> Compared | None:
    """Return what a step compares; None unless each of its two budgets is one variant with the same baselines."""
    if len(step.places) != 1 or len(step.last_places) != 1:
        return None
    theirs, ours = series.points[step.places[0]], series.points[step.last_places[0]]
    source, low, high = series.languages
    languages = {ZERO_SHOT: ours.gain.languages, SOURCE: source, HIGH: high, LOW: low}[where]
    if ours.draws.baselines != theirs.draws.baselines:
        return None
    if where == ZERO_SHOT and set(languages) != set(theirs.gain.languages):
        return None
    return Compared(
        task=task.name,
        metric=task.metrics[0],
        ours=ours.gain.variant,
        theirs=theirs.gain.variant,
        languages=frozenset(languages),
        seeds=len(ours.draws.by_seed_S),
    )
