"""The main tables: scores with gains, all gains, cost, and languages."""

import textwrap
from collections.abc import Sequence
from dataclasses import replace

from adaptx.catalog.languages import find_language, language_name
from adaptx.report.gains.gain import ZERO_SHOT, Gain
from adaptx.report.results.measured import Measurements, ScoredEvaluation, Variant, mean_path_seconds, most_memory_bytes
from adaptx.report.results.scored_as import how_scored
from adaptx.report.statistics.over_seeds import LEAST_SEEDS
from adaptx.report.tables.cells import NOTHING, count, gain_text, mebibytes, of, p_text, percent, seconds
from adaptx.report.tables.families import correction, standing
from adaptx.report.tables.reference import NO_REFERENCE, Reference, reference_caption
from adaptx.report.tables.table import WIDEST, Column, Table, TableCell
from adaptx.specs import Task

ONE_CLASS = "†"
"""Marks the score of a model that predicts the same class for every row."""

MAJORITY = "(majority class)"
"""Name of the row with the scores of always predicting the most frequent class."""


def score_tables(
    task: Task, metric: str, gains: Sequence[Gain], known: Reference = NO_REFERENCE, widest: int = WIDEST
) -> list[Table]:
    """Return a table of scores by language with the gain in the zero-shot average.

    If that table is wider than `widest` characters, the scores by language move to tables of their own. known: scores
    that need no model. That of the majority class has a row of its own.
    """
    by_variant = _by_variant(gains, task.name, metric)
    languages = list(dict.fromkeys(g.quantity for by in by_variant.values() for g in by.values() if g.is_language))
    title = f"{task.name} · {metric}, %"
    whole = _explained(_score_table(title, by_variant, languages, known, with_gain=True), task)
    if whole.width <= widest:
        return [whole]
    room = widest - max(len(label) for label in by_variant) - 2
    fitting = max(1, room // 7)
    fitting = -(-len(languages) // -(-len(languages) // fitting))
    chunks = [languages[first : first + fitting] for first in range(0, len(languages), fitting)]
    parts = [_score_table(f"{title}, by language", by_variant, chunk, known, with_gain=False) for chunk in chunks]
    return [_explained(_score_table(title, by_variant, [], known, with_gain=True), task), *parts]


def _explained(table: Table, task: Task) -> Table:
    return replace(table, caption=" ".join(filter(None, (how_scored(task), table.caption))))


def gain_table(task: Task, gains: Sequence[Gain]) -> Table:
    """Return a table of all gains by language, with their intervals."""
    named = len(task.metrics) > 1
    rows = [
        (
            TableCell(g.variant),
            *([TableCell(g.metric)] if named else []),
            TableCell(language_name(g.quantity)),
            TableCell(count(g.examples)),
            TableCell(percent(g.score)),
            TableCell(percent(g.baseline_score)),
            TableCell(gain_text(g), g.sign, g.is_uncertain),
            TableCell(p_text(g.p)),
            TableCell(p_text(g.holm_p)),
        )
        for g in gains
        if g.task == task.name and g.is_language and not g.is_baseline
    ]
    columns = (
        Column("variant", True),
        *([Column("metric", True)] if named else []),
        Column("language", True),
        Column("rows"),
        Column("score, %"),
        Column("baseline, %"),
        Column("gain, points [95%]"),
        Column("p"),
        Column("p, Holm"),
    )
    shown = [g for g in gains if g.task == task.name and g.is_language]
    caption = " ".join(filter(None, (correction(shown, by_variant=False), standing(shown))))
    return Table(f"{task.name} · gains by language", columns, tuple(rows), caption)


def cost_table(measurements: Measurements, task: Task) -> Table:
    """Return a table of each variant's cost, all of its trainings included. Seconds are means over seeds."""
    variants = measurements.variants(task.name)
    measures = list(dict.fromkeys(v.first.memory_measure for v in variants if v.first.memory_measure))
    labels = list(dict.fromkeys(variant.label for variant in variants))
    rows = [_cost_row(label, [v for v in variants if v.label == label]) for label in labels]
    # The header names the measure, so that readers do not compare a CPU's resident set size with GPU allocations.
    peak = "\n".join(textwrap.wrap(f"peak memory, MiB: {' or '.join(measures) or 'not measured'}", 20))
    columns = (
        Column("variant", True),
        Column("trained on\n(rows used / expected)", True),
        Column("trainable\nparameters"),
        Column("training,\nseconds"),
        Column(peak),
    )
    caption = (
        "Costs are of a variant's whole path, intermediate training included. Seconds are summed over its trainings. A "
        "training that several variants share counts in full for each. Peak memory is the maximum over all stages of "
        "the path."
    )
    return Table(f"{task.name} · cost", columns, tuple(rows), caption)


def language_table(measurements: Measurements, task: Task) -> Table:
    """Return a table of the evaluated languages, with how well each model's vocabulary covers them."""
    seen: dict[tuple[str, str, int], ScoredEvaluation] = {}
    for measured in measurements.measured:
        if measured.evaluate.task.name == task.name:
            key = (measured.factors.model, measured.evaluate.language, measured.record.rows_used)
            seen.setdefault(key, measured)
    models = {model for model, _, _ in seen}
    columns = (
        Column("language", True),
        Column("family", True),
        Column("rows used\n/ expected"),
        Column("tokens\nper word"),
        Column("unknown\ntokens, %"),
        Column("truncated,\n% of rows"),
    )
    if len(models) > 1:
        columns = (Column("model", True), *columns)
    rows = [_language_row(measured, len(models) > 1) for measured in seen.values()]
    caption = (
        "Many tokens per word, or many unknown tokens, mean that the checkpoint's vocabulary covers the language "
        "poorly. In scripts written without spaces, each character counts as a word. (source): the task was trained "
        "on labelled rows in this language."
    )
    return Table(f"{task.name} · languages", columns, tuple(rows), caption)


def _by_variant(gains: Sequence[Gain], task: str, metric: str) -> dict[str, dict[str, Gain]]:
    found: dict[str, dict[str, Gain]] = {}
    for gain in gains:
        if gain.task == task and gain.metric == metric and not gain.attribute:
            found.setdefault(gain.variant, {})[gain.quantity] = gain
    return found


def _score_table(
    title: str, by_variant: dict[str, dict[str, Gain]], languages: Sequence[str], known: Reference, with_gain: bool
) -> Table:
    columns = [Column("variant", True), *(Column(language) for language in languages)]
    if with_gain:
        columns += [Column("zero-shot\naverage"), Column("gain over the\nbaseline, points [95%]")]
    rows: list[tuple[TableCell, ...]] = []
    for label, by in by_variant.items():
        row = [TableCell(label), *(_score(by, language) for language in languages)]
        if with_gain:
            average = by.get(ZERO_SHOT)
            row += [
                _score(by, ZERO_SHOT),
                TableCell(gain_text(average), average.sign, average.is_uncertain) if average else TableCell(NOTHING),
            ]
        rows.append(tuple(row))
    if known.majority:
        rows.append(_majority_row(by_variant, languages, known, len(columns), with_gain))
    caption = " ".join(filter(None, (_score_caption(by_variant), reference_caption(known)))) if with_gain else ""
    return Table(title, tuple(columns), tuple(rows), caption)


def _majority_row(
    by_variant: dict[str, dict[str, Gain]], languages: Sequence[str], known: Reference, width: int, with_gain: bool
) -> tuple[TableCell, ...]:
    """Return the row of the majority class. It has an average only if all variants average the same languages."""
    shares = [known.majority_over([language]) for language in languages]
    if with_gain:
        averages = {by[ZERO_SHOT].languages for by in by_variant.values() if ZERO_SHOT in by}
        shares.append(known.majority_over(averages.pop()) if len(averages) == 1 else None)
    cells = [TableCell(MAJORITY), *(TableCell(percent(share)) for share in shares)]
    return (*cells, *(TableCell(NOTHING) for _ in range(width - len(cells))))


def _covered(seeds: set[int]) -> str:
    means = f"Means of {', '.join(map(str, sorted(seeds)))} seeds"
    if max(seeds) < LEAST_SEEDS:
        trained = "One seed" if seeds == {1} else means
        return f"{trained}: the interval covers the choice of test rows, not the choice of seed."
    if min(seeds) < LEAST_SEEDS:
        return f"{means}. The interval covers test rows and, from {LEAST_SEEDS} seeds on, seeds too."
    return f"{means}. The interval covers the choice of test rows and of seeds."


def _score_caption(by_variant: dict[str, dict[str, Gain]]) -> str:
    every = [gain for by in by_variant.values() for gain in by.values()]
    averages = {gain.languages for gain in every if gain.quantity == ZERO_SHOT}
    seeds = {gain.seeds for gain in every}
    parts = [
        f"Zero-shot average: {', '.join(next(iter(averages)))}." if len(averages) == 1 else "",
        _covered(seeds),
        standing([gain for gain in every if gain.quantity == ZERO_SHOT]),
    ]
    notes = dict.fromkeys(f"{gain.variant}: {gain.note}." for gain in every if gain.note)
    constant = dict.fromkeys(f"{g.variant} in {g.one_class}" for g in every if g.is_language and g.one_class)
    marked = f"{ONE_CLASS} The model predicts the same class for every row: {'; '.join(constant)}." if constant else ""
    return " ".join(part for part in (*parts, *notes, marked) if part)


def _score(by: dict[str, Gain], quantity: str) -> TableCell:
    """Return the cell of a score, with a mark if the model predicts the same class for every row."""
    if quantity not in by:
        return TableCell(NOTHING)
    return TableCell(percent(by[quantity].score) + (ONE_CLASS if by[quantity].one_class else ""))


def _cost_row(label: str, seeds: Sequence[Variant]) -> tuple[TableCell, ...]:
    first = seeds[0].first
    trained = "\n→ ".join(f"{step.train.task.name} {of(step.rows_used, step.rows_expected)}" for step in first.path)
    return (
        TableCell(label),
        TableCell(trained or "nothing"),
        TableCell(count(first.trainable_parameters)),
        TableCell(seconds(mean_path_seconds(seeds))),
        TableCell(mebibytes(most_memory_bytes(seeds))),
    )


def _language_row(measured: ScoredEvaluation, with_model: bool) -> tuple[TableCell, ...]:
    code, record = measured.evaluate.language, measured.record
    known = find_language(code)
    source = " (source)" if measured.is_source_language else ""
    cells = (
        TableCell(f"{language_name(code)} ({code}){source}" if language_name(code) != code else f"{code}{source}"),
        TableCell(known.family if known else NOTHING),
        TableCell(of(record.rows_used, record.rows_expected)),
        TableCell(f"{record.tokens_per_word:.2f}"),
        TableCell(percent(record.unknown_share, 2)),
        TableCell(percent(record.truncated_share)),
    )
    return (TableCell(measured.factors.model), *cells) if with_model else cells
