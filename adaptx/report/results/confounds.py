"""Confounds: what else, besides the variant, may explain a score.

Examples: a checkpoint has seen the data before, weights were selected on other languages than those trained on, or
fewer rows were read than were published. Each confound is one plain sentence for the report.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

from adaptx.catalog.language_facts import unknown_languages
from adaptx.catalog.languages import language_name
from adaptx.planning.leaks import Pair, find_leaks, may_share_rows
from adaptx.planning.naming import training_path
from adaptx.planning.row_contents import RowContents
from adaptx.report.results.measured import Measurements
from adaptx.specs import Best, Evaluate, Exposure, ModelSpec, Recipe, Rows, SeenData, Task, Train

RowCounts = tuple[int | None, int | None]
"""Rows used and rows expected; None if unknown."""

_MET = {
    Exposure.LABELS: "has been trained on labelled rows of",
    Exposure.TEXT: "has seen unlabelled text of",
    Exposure.KIND: "has been trained on other",
}

_EXPOSED = (
    "A checkpoint may have seen the same data, or the same kind of task, before adaptx trained it. A gain, or the "
    "lack of one, may then come from that earlier training. In this recipe:"
)


def find_confounds(recipe: Recipe, measurements: Measurements) -> list[str]:
    """Return a recipe's confounds, one sentence each. `shared_rows` finds rows that occur in several sets."""
    evaluates = tuple(dict.fromkeys(recipe.evaluations))
    trainings = tuple(dict.fromkeys(train for evaluate in evaluates for train in training_path(evaluate)))
    return [
        *_cut(evaluates),
        *_exposures(evaluates),
        *_selected_on_scored(evaluates),
        *_selections(trainings),
        *_uneven(measurements),
        *_one_class(measurements),
        *_unknown_languages(evaluates),
    ]


def shared_rows(recipe: Recipe, contents: RowContents) -> tuple[list[str], list[str]]:
    """Return two lists of sentences about rows that occur in two trainings, or in a training and in a scored set.

    The first list tells which rows are shared. If the contents of a set are not known, its name is compared. The second
    list has at most one sentence, which names the tasks compared in this way.
    """
    found = find_leaks(recipe.evaluations, contents)
    by_name = dict.fromkeys(
        f"{pair.training.task.name} is trained on rows of {scored.address} that {pair.other.task.name} is evaluated on "
        f"in {language_name(scored.language)}: that score is not a valid test score."
        for pair in found.unknown
        if pair.other.language is not None
        for scored in pair.other.sets
        for rows in pair.training.sets
        if may_share_rows(rows, scored)
    )
    return [*found.sentences, *by_name], _not_compared(found.unknown)


def _cut(evaluates: Sequence[Evaluate]) -> list[str]:
    """Return a sentence for each checkpoint of which only the first layers are used, without new pretraining."""
    counts: dict[str, dict[str, None]] = {}
    for model in (evaluate.checkpoint for evaluate in evaluates):
        if model.layers is not None:
            whole = dataclasses.replace(model, layers=None).name
            counts.setdefault(whole, {})[str(model.layers)] = None
    return [
        f"{whole} was cut to its first {_layers(tuple(layers))} and not pretrained again after the cut. Its scores do "
        "not show how well a model pretrained at that size would do."
        for whole, layers in counts.items()
    ]


def _layers(counts: Sequence[str]) -> str:
    return "layer" if counts == ("1",) else f"{' or '.join(counts)} layers"


def rows_differences(measurements: Measurements) -> list[str]:
    """Return sentences about data sets from which fewer or more rows were read than were published."""
    trained: dict[str, RowCounts] = {}
    evaluated: dict[str, dict[RowCounts, list[str]]] = {}
    for measured in measurements.measured:
        for training in measured.path:
            trained[training.train.task.name] = training.rows_used, training.rows_expected
        if _differ(counts := (measured.record.rows_used, measured.record.rows_expected)):
            by_counts = evaluated.setdefault(measured.evaluate.task.name, {})
            by_counts.setdefault(counts, []).append(measured.evaluate.language)
    parts = [
        f"{task}, " + "; ".join(f"{_of(counts)} rows in {_names(languages)}" for counts, languages in by_counts.items())
        for task, by_counts in evaluated.items()
    ]
    sentences = [
        "These sets were not evaluated in full, so their scores are not comparable with published scores: "
        f"{'. '.join(parts)}."
    ]
    sentences = sentences if parts else []
    fewer = ", ".join(f"{task} {_of(counts)} rows" for task, counts in trained.items() if _differ(counts))
    return [*sentences, f"Trainings that did not use their full published sets: {fewer}."] if fewer else sentences


def _differ(counts: RowCounts) -> bool:
    return None not in counts and counts[0] != counts[1]


def _of(counts: RowCounts) -> str:
    return f"{counts[0]:,} of {counts[1]:,}"


def _exposures(evaluates: Sequence[Evaluate]) -> list[str]:
    """Return sentences about tasks of the recipe whose data a checkpoint has seen before adaptx trained it."""
    uses: dict[tuple[ModelSpec, str], dict[str, list[Rows]]] = {}
    tasks: dict[str, Task] = {}
    for evaluate in evaluates:
        model = evaluate.checkpoint
        tasks[evaluate.task.name] = evaluate.task
        read = (evaluate.task.rows_in(evaluate.language), *evaluate.task.pool)
        uses.setdefault((model, evaluate.task.name), {}).setdefault("evaluated on", []).extend(read)
        for task in (task for train in training_path(evaluate) for task in train.tasks):
            tasks[task.name] = task
            uses.setdefault((model, task.name), {}).setdefault("trained on", []).extend(task.train)
    kinds: dict[tuple[ModelSpec, SeenData], list[str]] = {}
    sentences: list[str] = []
    for (model, name), roles in uses.items():
        for seen in model.seen:
            if "/" not in seen.what:
                if seen.what == tasks[name].kind:
                    kinds.setdefault((model, seen), []).append(name)
            elif used := _used(seen, roles):
                sentences.append(f"{_met(model, seen)}, which {name} is {used}{_note(seen)}.")
    for (model, seen), names in kinds.items():
        same = f"and {' and '.join(names)} {'is' if len(names) == 1 else 'are'} the same kind of task"
        languages = f" ({_names(seen.languages)})" if seen.languages else ""
        sentences.append(f"{_met(model, seen)} data{languages}, {same}{_note(seen)}.")
    return [_EXPOSED, *dict.fromkeys(sentences)] if sentences else []


def _used(seen: SeenData, roles: Mapping[str, Sequence[Rows]]) -> str:
    """Return what a recipe does with a data set, such as `trained on (English) and evaluated on (Korean)`.

    The text is empty if the recipe does not use the data set. roles: a use, such as `trained on` -> the rows used so.
    """
    touched = {role: [rows.language for rows in read if _covers(seen, rows)] for role, read in roles.items()}
    return " and ".join(f"{role} ({_names(languages)})" for role, languages in touched.items() if languages)


def _met(model: ModelSpec, seen: SeenData) -> str:
    return f"{model.name} {_MET[seen.exposure]} {seen.what}"


def _note(seen: SeenData) -> str:
    return f": {seen.note}" if seen.note else ""


def _covers(seen: SeenData, rows: Rows) -> bool:
    return rows.hub_id == seen.what and (not seen.languages or rows.language in seen.languages)


def _not_compared(pairs: Sequence[Pair]) -> list[str]:
    """Return at most one sentence, which names the tasks whose rows could not be compared by content."""
    names = dict.fromkeys(used.task.name for pair in pairs for used in (pair.training, pair.other))
    if not names:
        return []
    return [
        f"Whether trainings and test sets share rows was checked by the names of the data sets only, for "
        f"{', '.join(names)}: the contents of their rows are not stored. `adaptx run` stores them if the data is "
        "available."
    ]


def _selected_on_scored(evaluates: Sequence[Evaluate]) -> list[str]:
    """Return sentences about scored rows on which a model's weights were also selected."""
    found: dict[str, None] = {}
    for evaluate in evaluates:
        scored = evaluate.task.rows_in(evaluate.language)
        for train in training_path(evaluate):
            for rows in train.task.development if isinstance(train.config.selection, Best) else ():
                if may_share_rows(rows, scored):
                    found[
                        f"The weights of {train.task.name} are selected on rows of {scored.address} that "
                        f"{evaluate.task.name} is evaluated on in {language_name(evaluate.language)}: "
                        "that score is optimistic."
                    ] = None
    return list(found)


def _selections(trainings: Iterable[Train]) -> list[str]:
    """Return sentences about trainings that select weights on development rows in languages without training rows."""
    found: dict[str, None] = {}
    for train in trainings:
        if isinstance(train.config.selection, Best):
            foreign = [r.language for r in train.task.development if r.language not in train.task.source_languages]
            if foreign:
                found[
                    f"The weights of {train.task.name} are selected on development rows in {_names(foreign)}, "
                    "but it is not trained on these languages. Scores in them are therefore no longer zero-shot."
                ] = None
    return list(found)


def _uneven(measurements: Measurements) -> list[str]:
    """Return sentences about tasks whose variants were measured in different languages."""
    sentences: list[str] = []
    for task in measurements.tasks:
        sets = {tuple(sorted(variant.languages)) for variant in measurements.variants(task.name)}
        if len(sets) > 1:
            sentences.append(
                f"The variants of {task.name} are scored in different sets of languages, so their averages are not "
                "directly comparable. Gains are not affected: a gain always compares the same languages and rows."
            )
    return sentences


def _unknown_languages(evaluates: Iterable[Evaluate]) -> list[str]:
    """Return at most one sentence, which names the language codes that the analysis does not know."""
    unknown = unknown_languages(evaluate.language for evaluate in evaluates)
    if not unknown:
        return []
    return [
        f"Unknown language codes: {', '.join(unknown)}. Gains by family, script, resources, distance and pretraining "
        "leave these languages out. Use codes of ISO 639 or FLORES-200."
    ]


def _one_class(measurements: Measurements) -> list[str]:
    """Return sentences about test sets with a single class, and about models that always predict one class."""
    sets: dict[str, dict[str, None]] = {}
    models: dict[str, dict[str, None]] = {}
    for measured in measurements.measured:
        task, language = measured.evaluate.task.name, language_name(measured.evaluate.language)
        if measured.gold_class is not None:
            sets.setdefault(task, {})[f"{language} ({measured.gold_class})"] = None
        if measured.predicted_class is not None:
            models.setdefault(task, {})[f"{measured.variant} in {language} ({measured.predicted_class})"] = None
    return [
        *(
            f"All rows of {task} have the same class in {', '.join(found)}: a model that always predicts it scores "
            "100 %."
            for task, found in sets.items()
        ),
        *(
            f"On {task} some models predict the same class for every row, so their scores are those of a constant: "
            f"{', '.join(found)}."
            for task, found in models.items()
        ),
    ]


def _names(languages: Iterable[str]) -> str:
    return ", ".join(language_name(language) for language in dict.fromkeys(languages))
