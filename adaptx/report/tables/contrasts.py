"""A recipe's contrasts as a table and as sentences."""

import re
from collections.abc import Sequence

from adaptx.report.gains.contrast import ContrastResult
from adaptx.report.gains.contrasts import CONTRASTS
from adaptx.report.statistics.over_seeds import LEAST_SEEDS
from adaptx.report.tables.cells import detectable_text, interval_text, p_equals, p_text, percent, range_text
from adaptx.report.tables.exaggeration import exaggeration
from adaptx.report.tables.table import Column, Table, TableCell

MOST_LANGUAGES = 6
"""Maximum number of languages that a cell or sentence names."""


def contrast_table(results: Sequence[ContrastResult], primary: bool) -> Table:
    """Return a table with a row per contrast. primary: whether the contrasts answer the recipe's question."""
    columns = (
        Column("contrast", True),
        Column("languages", True),
        Column("difference, points\n[95%]"),
        Column("p"),
        Column("[95%, Holm]"),
        Column("p, Holm"),
        Column("seeds"),
        Column("detectable\n(Holm)"),
    )
    return Table("Contrasts", columns, tuple(map(_row, results)), _caption(results, primary))


def contrast_answer(results: Sequence[ContrastResult], primary: bool) -> tuple[str, ...]:
    """Return a sentence per contrast: its difference, interval and verdict.

    primary: whether the contrasts answer the recipe's question. Otherwise the sentences call them exploratory.
    """
    return tuple(_sentence(result, "" if primary else " (exploratory)") for result in results)


def contrast_metrics(results: Sequence[ContrastResult]) -> dict[str, float]:
    """Return each tested contrast's difference, interval and corrected p-value, under names that MLflow accepts."""
    found: dict[str, float] = {}
    for result in results:
        name = "contrast/" + re.sub(r"[^\w.-]+", "_", result.name).strip("_")
        values = {"difference": result.difference, "low": result.low, "high": result.high, "p_holm": result.holm_p}
        found |= {f"{name}/{key}": value for key, value in values.items() if value is not None}
    return found


def _row(result: ContrastResult) -> tuple[TableCell, ...]:
    undecided = result.holm_p is not None and result.sign == 0
    said = interval_text(result.difference, result.low, result.high) if result.difference is not None else result.note
    return (
        TableCell(result.name),
        TableCell(_languages(result)),
        TableCell(said, result.sign, undecided),
        TableCell(p_text(result.p)),
        TableCell(range_text(result.corrected_low, result.corrected_high)),
        TableCell(p_text(result.holm_p)),
        TableCell(str(len(result.by_seed))),
        TableCell(detectable_text(result.detectable, result.corrected_detectable)),
    )


def _sentence(result: ContrastResult, standing: str) -> str:
    if result.difference is None or result.holm_p is None:
        return f"{result.name}{standing}: {result.note or 'not tested'}."
    interval = interval_text(result.difference, result.corrected_low, result.corrected_high)
    over = f"rows and {len(result.by_seed)} seeds" if result.over_seeds else "rows"
    things = "contrasts" if result.family == CONTRASTS else "comparisons"
    corrected = f", corrected for {result.family_size} {things}" if result.family_size > 1 else ""
    said = f"{interval} points of {result.metric} (95% interval over {over}{corrected}; {p_equals(result.holm_p)})"
    return f"{result.name}{standing}: {said}. {_verdict(result)}"


def _verdict(result: ContrastResult) -> str:
    few = "" if result.over_seeds else ", between these trained models and not the methods"
    needed = result.corrected_detectable
    if result.sign:
        too_large = exaggeration(result.difference, needed, "difference")
        return f"This is {'a gain' if result.sign > 0 else 'a loss'}{few}." + (f" {too_large}." if too_large else "")
    return (
        f"This is undecided{few}: a true difference of {percent(needed)} points would have been found in 4 of 5 such "
        "experiments."
    )


def _languages(result: ContrastResult) -> str:
    shown = ", ".join(result.languages[:MOST_LANGUAGES])
    more = len(result.languages) - MOST_LANGUAGES
    return f"{shown} and {more} more" if more > 0 else shown


def _caption(results: Sequence[ContrastResult], primary: bool) -> str:
    tested = [result for result in results if result.holm_p is not None]
    own = sum(result.family == CONTRASTS for result in tested)
    parts = [
        f"The recipe declares these {'as the answer to its question' if primary else 'as exploratory'}. Bold: a gain "
        f"or a loss after Holm's correction for {own} contrasts; grey: undecided."
    ]
    if others := [result for result in tested if result.family != CONTRASTS]:
        parts.append(
            f"{', '.join(result.name for result in others)}: a gain of a variant, with the verdict of the table of "
            "these gains."
        )
    if any(result.over_seeds for result in tested):
        parts.append(
            "Intervals and p cover the choice of test rows and of seeds together; the variance over seeds is pooled "
            "over the models of all contrasts with the same task, checkpoint, languages and seeds."
        )
    if any(not result.over_seeds for result in tested):
        parts.append(
            f"With fewer than {LEAST_SEEDS} seeds, intervals and p cover the choice of test rows alone, by the normal "
            "distribution: they are about these trained models."
        )
    parts.append(
        "Detectable difference: a true difference of this size, in points, would be found in 4 of 5 such experiments, "
        "before correction and, in brackets, after it."
    )
    return " ".join(parts)
