"""Tables and sentences about scaling: how the gain changes with size, per series."""

from collections.abc import Sequence
from dataclasses import dataclass

from adaptx.catalog.language_facts import HIGH_RESOURCE, LOW_RESOURCE
from adaptx.report.gains.gain import ALPHA
from adaptx.report.gains.scaling import Series, cost_factor
from adaptx.report.statistics.holm import holm, holm_levels
from adaptx.report.statistics.over_seeds import LEAST_SEEDS
from adaptx.report.statistics.trend import Trend
from adaptx.report.tables.cells import NOTHING, interval_text, p_equals, p_text, points, range_text, shortened
from adaptx.report.tables.table import Column, Table, TableCell
from adaptx.specs import Task


@dataclass(frozen=True, kw_only=True)
class TrendVerdict:
    """A line's slope with its 95% interval and p-value, which cover how models deviate from the line.

    The corrected interval and p-value account for all series of a table (Holm).
    """

    change: float
    low: float
    high: float
    p: float
    holm_p: float
    corrected_low: float
    corrected_high: float

    @property
    def sign(self) -> int:
        """The verdict after correction: 1 if the gain rises, -1 if it falls, 0 if neither is shown."""
        return 0 if self.holm_p >= ALPHA else (self.change > 0) - (self.change < 0)


def trend_verdicts(trends: Sequence[Trend | None]) -> list[TrendVerdict | None]:
    """Return the verdict on each trend. It is None if the trend is missing, or if it has no line."""
    tests = [each.over_models if each is not None else None for each in trends]
    known = [place for place, test in enumerate(tests) if test is not None]
    p_values = [test.p for test in tests if test is not None]
    found: list[TrendVerdict | None] = [None] * len(tests)
    for place, holm_p, level in zip(known, holm(p_values), holm_levels(p_values, ALPHA), strict=True):
        test = tests[place]
        assert test is not None
        low, high = test.interval()
        corrected_low, corrected_high = test.interval(level)
        found[place] = TrendVerdict(
            change=test.slope,
            low=low,
            high=high,
            p=test.p,
            holm_p=holm_p,
            corrected_low=corrected_low,
            corrected_high=corrected_high,
        )
    return found


def scaling_table(task: Task, series: Sequence[Series], size: str) -> Table:
    """Return a table of how gain and seconds change with size. size: its name, such as `body parameters`."""
    columns = (
        Column("series", True),
        Column("sizes"),
        Column("change for"),
        Column("change of the gain,\npoints [95%,\nthese models]"),
        Column("[95%, over\nmodels]"),
        Column("p"),
        Column("[95%, Holm]"),
        Column("p, Holm"),
        Column("source\nlanguages"),
        Column("high-\nresource"),
        Column("low-\nresource"),
        Column("low minus high\n[95%, Holm]"),
        Column("seconds on\nthis machine"),
    )
    verdicts = trend_verdicts([each.trend for each in series])
    resources = trend_verdicts([each.resources for each in series])
    rows = tuple(_row(each, verdict, apart) for each, verdict, apart in zip(series, verdicts, resources, strict=True))
    return Table(f"{task.name} · scaling with {size}", columns, rows, _caption(series))


def scaling_sentences(task: Task, series: Sequence[Series], size: str) -> list[str]:
    """Return a sentence per series whose gain rises or falls, and sentences that say what the other series show.

    A second sentence follows if low- and high-resource languages of a series differ.
    """
    found: list[str] = []
    verdicts = trend_verdicts([each.trend for each in series])
    resources = trend_verdicts([each.resources for each in series])
    for each, verdict, apart in zip(series, verdicts, resources, strict=True):
        if verdict is not None and verdict.sign:
            found.append(f"{task.name}, {each.name}: {_told(each, verdict, size, _tested(verdicts))}.")
        if apart is not None and apart.sign:
            more = "more" if apart.sign > 0 else "less"
            found.append(
                f"{task.name}, {each.name}: the gain changes {more} in low-resource than in high-resource languages, "
                f"by {_shown(apart)} points for {change_for(each.trend)} ({p_equals(apart.holm_p)})."
            )
    things = "model sizes" if size.endswith("parameters") else "budgets"
    if open_ := sum(verdict is not None and not verdict.sign for verdict in verdicts):
        of = _counted(open_, len(series))
        found.append(f"{task.name}: in {of}, the gain neither clearly rises nor falls with {size}.")
    if short := sum(verdict is None for verdict in verdicts):
        found.append(
            f"{task.name}: in {_counted(short, len(series))}, no three {things} span half a decade, so no verdict over "
            f"{things} is possible."
        )
    if short < len(series) and not any(each.is_common for each in series):
        one = "family of models" if size.endswith("parameters") else "checkpoint"
        found.append(
            f"{task.name}: each series is about one {one}, so no verdict over {things} in general is possible: other "
            f"{'families' if size.endswith('parameters') else 'checkpoints'} may differ."
        )
    return found


def _tested(verdicts: Sequence[TrendVerdict | None]) -> int:
    return sum(verdict is not None for verdict in verdicts)


def _counted(number: int, of: int) -> str:
    return f"{number} of {of} series" if of > 1 else "the one series"


def change_for(trend: Trend) -> str:
    """Return the change in size to which a trend refers: `a tenfold size`, or a range such as `× 1.2 in size`."""
    return "a tenfold size" if trend.is_line else f"{_times(10**trend.decades)} in size"


def _row(series: Series, verdict: TrendVerdict | None, apart: TrendVerdict | None) -> tuple[TableCell, ...]:
    trend = series.trend
    factor = cost_factor(series)
    return (
        TableCell(series.name),
        TableCell(f"{trend.sizes}: {shortened(series.sizes[0])} to {shortened(series.sizes[-1])}"),
        TableCell("tenfold" if trend.is_line else _times(10**trend.decades)),
        TableCell(_of_these(trend), verdict.sign if verdict else 0, verdict is not None and not verdict.sign),
        TableCell(range_text(verdict.low, verdict.high) if verdict else NOTHING),
        TableCell(p_text(verdict.p if verdict else None)),
        TableCell(range_text(verdict.corrected_low, verdict.corrected_high) if verdict else NOTHING),
        TableCell(p_text(verdict.holm_p if verdict else None)),
        *(TableCell(points(each.change if each else None)) for each in (series.source, series.high, series.low)),
        _apart(series.resources, apart),
        TableCell(NOTHING if factor is None else _times(factor)),
    )


def _of_these(trend: Trend) -> str:
    """Return the change with its interval over rows and seeds, which is about these models."""
    return interval_text(trend.change, *(trend.test.interval() if trend.test is not None else (None, None)))


def _apart(trend: Trend | None, verdict: TrendVerdict | None) -> TableCell:
    """Return the cell of the low-resource change minus the high-resource one. Without a line, it has no verdict."""
    if trend is None:
        return TableCell(NOTHING)
    if verdict is None:
        return TableCell(f"{_of_these(trend)}, these models")
    return TableCell(f"{_shown(verdict)}, {p_equals(verdict.holm_p)}", verdict.sign, not verdict.sign)


def _told(series: Series, verdict: TrendVerdict, size: str, count: int) -> str:
    """Return the slope in words. count: the number of series for which the verdict is corrected."""
    models = f"these {series.trend.sizes} {'models' if size.endswith('parameters') else 'budgets'}"
    verb = "rises" if verdict.sign > 0 else "falls"
    over = f"models{f', corrected for {count} series' if count > 1 else ''}"
    return (
        f"over {models}, the gain {verb} with {size} along a line, {_shown(verdict)} points for "
        f"{change_for(series.trend)} (95% interval over {over}; {p_equals(verdict.holm_p)})"
    )


def _shown(verdict: TrendVerdict) -> str:
    return interval_text(verdict.change, verdict.corrected_low, verdict.corrected_high)


def _times(factor: float) -> str:
    return f"× {factor:.2f}" if factor < 3 else f"× {factor:,.1f}" if factor < 1000 else f"× {factor:.0e}"


def _caption(series: Sequence[Series]) -> str:
    _, low, high = series[0].languages
    tested = sum(each.trend.over_models is not None for each in series)
    covers = (
        "cover rows and seeds."
        if all(each.trend.over_seeds for each in series)
        else f"of series with fewer than {LEAST_SEEDS} seeds cover rows alone, for the models as trained."
    )
    parts = [
        "Line: least squares on the logarithm of the size, over the mean gain of each model; the change is for a "
        "tenfold size. A line needs three sizes that span half a decade (a factor of 3.2). Otherwise the change is "
        "from the smallest to the largest size, and the factor between the two is given. Intervals for these models "
        f"{covers} Over models: t interval and p of least squares over the models' means. They also hold for other "
        "sizes, if these deviate from the line as the measured ones do. Verdicts (bold, grey) come from them; "
        f"without a line there is none. Holm: corrected for {tested} series.",
        "Source, high-resource, low-resource: the same change in these languages "
        f"(low: {', '.join(low) or 'none'}; high: {', '.join(high) or 'none'}; classes of Joshi et al. 2020: "
        f"{LOW_RESOURCE[0]} to {LOW_RESOURCE[-1]} are low, {HIGH_RESOURCE[0]} to {HIGH_RESOURCE[-1]} are high). Low "
        "minus high compares the gains of the same models, seed by seed.",
        "Seconds: the factor by which the time of all stages grows.",
    ]
    if any(each.is_common for each in series):
        parts.append("Common slope: one slope for several families or checkpoints, each with an intercept of its own.")
    if any(point.is_cut for each in series for point in each.points):
        parts.append("Some sizes are the first layers of a checkpoint, which was not pretrained at that size.")
    return " ".join(parts)
