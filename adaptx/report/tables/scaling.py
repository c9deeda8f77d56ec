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
    """A trend's change with its 95% interval and p-value.

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
    """Return the verdict on each trend. It is None if the trend is missing, or if nothing varies in it."""
    tests = [each.test if each is not None else None for each in trends]
    known = [place for place, test in enumerate(tests) if test is not None]
    p_values = [test.p for test in tests if test is not None]
    found: list[TrendVerdict | None] = [None] * len(tests)
    for place, holm_p, level in zip(known, holm(p_values), holm_levels(p_values, ALPHA), strict=True):
        test = tests[place]
        assert test is not None
        low, high = test.interval()
        corrected_low, corrected_high = test.interval(level)
        found[place] = TrendVerdict(
            change=test.mean,
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
        Column("change of the gain,\npoints [95%]"),
        Column("p"),
        Column("[95%, Holm]"),
        Column("p, Holm"),
        Column("[95%, with\ndeviations\nfrom the line]"),
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
    """Return a sentence per series whose gain rises or falls, and one that lists the other series.

    A second sentence follows if low- and high-resource languages of a series differ.
    """
    found: list[str] = []
    verdicts = trend_verdicts([each.trend for each in series])
    resources = trend_verdicts([each.resources for each in series])
    for each, verdict, apart in zip(series, verdicts, resources, strict=True):
        if verdict is not None and verdict.sign:
            found.append(f"{task.name}, {each.name}: {_told(each, verdict, size, len(series))}.")
        if apart is not None and apart.sign:
            more = "more" if apart.sign > 0 else "less"
            found.append(
                f"{task.name}, {each.name}: the gain changes {more} in low-resource than in high-resource languages, "
                f"by {_shown(apart)} points for {change_for(each.trend)} ({p_equals(apart.holm_p)})."
            )
    open_ = sum(verdict is None or not verdict.sign for verdict in verdicts)
    if open_:
        of = f"{open_} of {len(series)} series" if len(series) > 1 else "the one series"
        found.append(f"{task.name}: in {of}, the gain neither clearly rises nor falls with {size}.")
    return found


def change_for(trend: Trend) -> str:
    """Return the change in size to which a trend refers: `a tenfold size`, or a range such as `× 1.2 in size`."""
    return "a tenfold size" if trend.is_line else f"{_times(10**trend.decades)} in size"


def _row(series: Series, verdict: TrendVerdict | None, apart: TrendVerdict | None) -> tuple[TableCell, ...]:
    trend = series.trend
    change = interval_text(trend.change, verdict.low if verdict else None, verdict.high if verdict else None)
    factor = cost_factor(series)
    return (
        TableCell(series.name),
        TableCell(f"{trend.sizes}: {shortened(series.sizes[0])} to {shortened(series.sizes[-1])}"),
        TableCell("tenfold" if trend.is_line else _times(10**trend.decades)),
        TableCell(change, verdict.sign if verdict else 0, verdict is not None and not verdict.sign),
        TableCell(p_text(verdict.p if verdict else None)),
        TableCell(range_text(verdict.corrected_low, verdict.corrected_high) if verdict else NOTHING),
        TableCell(p_text(verdict.holm_p if verdict else None)),
        TableCell(range_text(*trend.over_models) if trend.over_models else NOTHING),
        *(TableCell(points(each.change if each else None)) for each in (series.source, series.high, series.low)),
        TableCell(f"{_shown(apart)}, {p_equals(apart.holm_p)}" if apart else NOTHING, apart.sign if apart else 0),
        TableCell(NOTHING if factor is None else _times(factor)),
    )


def _told(series: Series, verdict: TrendVerdict, size: str, count: int) -> str:
    """Return the change in words. count: the number of series for which the verdict is corrected."""
    trend = series.trend
    models = f"these {trend.sizes} {'models' if size.endswith('parameters') else 'budgets'}"
    whose = models if trend.over_seeds else f"{models} as trained here"
    verb = "rises" if verdict.sign > 0 else "falls"
    over = f"rows{' and seeds' if trend.over_seeds else ''}{f', corrected for {count} series' if count > 1 else ''}"
    change = f"{_shown(verdict)} points for {change_for(trend)} (95% interval over {over}; {p_equals(verdict.holm_p)})"
    if trend.is_line:
        return f"over {whose}, the gain {verb} with {size} along a line, {change}"
    why = "two sizes make no line" if trend.sizes < 3 else "sizes within half a decade give no slope"
    return f"from the smallest to the largest of {whose}, the gain {verb}, {change}; {why}"


def _shown(verdict: TrendVerdict) -> str:
    return interval_text(verdict.change, verdict.corrected_low, verdict.corrected_high)


def _times(factor: float) -> str:
    return f"× {factor:.2f}" if factor < 3 else f"× {factor:,.1f}" if factor < 1000 else f"× {factor:.0e}"


def _caption(series: Sequence[Series]) -> str:
    _, low, high = series[0].languages
    covers = (
        "cover rows and seeds, for these models."
        if all(each.trend.over_seeds for each in series)
        else f"of series with fewer than {LEAST_SEEDS} seeds cover rows alone, for the models as trained."
    )
    parts = [
        "Line: least squares on the logarithm of the size, over the mean gain of each model; the change is for a "
        "tenfold size. A line needs three sizes that span half a decade (a factor of 3.2). Otherwise the change is "
        f"from the smallest to the largest size, and the factor between the two is given. Intervals and p {covers} "
        f"Holm: corrected for the {len(series)} series of this table. With deviations from the line: t interval of "
        "least squares over the models' means. It also holds for other sizes, if they deviate as these do.",
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
