"""Show the scores of a stage on the user's own rows: metrics, scores per class, and which classes are confused."""

from collections.abc import Sequence
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from adaptx.metrics.per_class import ConfusionMatrix

MOST_CLASSES = 12
"""Maximum number of classes for which the whole confusion matrix is shown."""
MOST_CONFUSIONS = 10


def score_parts(scores: dict[str, Any]) -> list[RenderableType]:
    """Return what is printed, in order. scores: the result of `adaptx.execution.scoring.score_file`."""
    parts: list[RenderableType] = [Text(line) for line in metric_lines(scores)]
    if "classes" in scores:
        confusion = ConfusionMatrix(**scores["confusion"])
        parts += [Text(), _class_table(scores["classes"]), Text(), *_confusion_parts(confusion)]
    return parts


def metric_lines(scores: dict[str, Any]) -> list[str]:
    """Return one line per metric with its value and interval, and one with macro-F1 if answers are labels."""
    clusters, rows = scores["clusters"], scores["rows_used"]
    drawn = f"{clusters} clusters" if clusters is not None and clusters < rows else "rows"
    lines: list[str] = []
    for name, value in scores["metrics"].items():
        low, high = scores["intervals"][name]
        shown = f"{100 * value:.1f} % (95 % interval over {drawn}: {100 * low:.1f} to {100 * high:.1f})"
        lines.append(f"{name}: {shown}, {rows} rows")
    if "macro_f1" in scores:
        lines.append(f"macro_f1: {100 * scores['macro_f1']:.1f} % (mean over {len(scores['classes'])} classes)")
    return lines


def _class_table(classes: Sequence[dict[str, Any]]) -> Table:
    table = Table(box=None, padding=(0, 1))
    table.add_column("class")
    for name in ("rows", "predicted", "precision, %", "recall, %", "F1, %"):
        table.add_column(name, justify="right")
    for each in classes:
        shares = [f"{100 * each[name]:.1f}" for name in ("precision", "recall", "f1")]
        table.add_row(Text(each["class"]), f"{each['rows']:,}", f"{each['predicted']:,}", *shares)
    return table


def _confusion_parts(confusion: ConfusionMatrix) -> list[RenderableType]:
    if len(confusion.classes) <= MOST_CLASSES:
        return [Text("confusion matrix: a row per gold class, a column per predicted class"), _matrix(confusion)]
    table = Table(box=None, padding=(0, 1))
    for name in ("gold", "predicted"):
        table.add_column(name)
    table.add_column("rows", justify="right")
    found = confusion.confusions()
    for gold, predicted, count in found[:MOST_CONFUSIONS]:
        table.add_row(Text(gold), Text(predicted), f"{count:,}")
    more = len(found) - MOST_CONFUSIONS
    hidden = f"; {more} more with --json" if more > 0 else ""
    return [Text(f"the most frequent errors of {len(confusion.classes)} classes{hidden}"), table]


def _matrix(confusion: ConfusionMatrix) -> Table:
    table = Table(box=None, padding=(0, 1))
    table.add_column("gold \\ predicted")
    for name in confusion.classes:
        table.add_column(Text(name), justify="right")
    for name, counts in zip(confusion.classes, confusion.counts, strict=True):
        table.add_row(Text(name), *(f"{count:,}" for count in counts))
    return table
