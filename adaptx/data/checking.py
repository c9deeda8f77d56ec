"""Hold examples against their format before any work starts; every message names the row."""

import unicodedata
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from adaptx.data.examples import Examples
from adaptx.data.origin import Origin
from adaptx.errors import UserError
from adaptx.metrics.tag_schemes import foreign_scheme
from adaptx.specs import (
    Bitext,
    BitextMining,
    Classification,
    MaskedLanguageModel,
    MultipleChoice,
    QuestionAnswering,
    Retrieval,
    SpanCorruption,
    Tagging,
    TaskFormat,
)
from adaptx.specs.near import plain

Row = dict[str, Any]
MIXED_UP_SHARE = 0.1


def check(examples: Examples, task_format: TaskFormat, where: Origin) -> None:
    """Check every row; roles that the examples lack (labels, of rows to predict) are not looked at.

    Raises:
        UserError: a row does not fit the format.
    """
    fault = FAULTS[type(task_format)]
    roles = list(examples.columns)
    for row, values in zip(examples.rows, zip(*examples.columns.values(), strict=True), strict=True):
        message = fault(dict(zip(roles, values, strict=True)), task_format)
        if message is not None:
            raise UserError(f"{where.at(row)}: {message}")


def trainable_answers(examples: Examples, where: Origin) -> Examples:
    """Question answering rows that can be trained on: those whose first answer stands where they say.

    The scripts of SQuAD and BERT leave the others out, too. They are recorded in `left_out`.

    Raises:
        UserError: there are no starts, or so many are wrong that they must count something else than characters.
    """
    columns = examples.columns
    if "answer_starts" not in columns:
        raise UserError(
            f"{where}: training needs where each answer begins (role answer_starts); name its column in "
            "Rows(columns=...)"
        )
    rows = list(zip(columns["context"], columns["answers"], columns["answer_starts"], strict=True))
    wrong = [index for index, (context, answers, starts) in enumerate(rows) if _misplaced(context, answers, starts)]
    if len(wrong) > MIXED_UP_SHARE * len(rows):
        context, answers, starts = rows[wrong[0]]
        raise UserError(
            f"{where}: in {len(wrong)} of {len(rows)} rows the answer does not stand where the row says: at "
            f"{where.at(examples.rows[wrong[0]])}, {answers[0]!r} should begin at {starts[0]}, where "
            f"{context[max(starts[0], 0) :][:30]!r} stands. Starts count characters (not bytes) from 0: correct them"
        )
    return examples.without(wrong, "the answer does not stand where the row says", where)


def _misplaced(context: str, answers: list[str], starts: list[int]) -> bool:
    """Whether the first answer does not stand where the row says."""
    return bool(answers) and (starts[0] < 0 or not context.startswith(answers[0], starts[0]))


def _no_text(row: Row, *roles: str) -> str | None:
    for role in roles:
        if role in row and not isinstance(row[role], str):
            return f"{role} is {row[role]!r}, not a text; correct the row, or leave it out"
    return None


def _no_texts(row: Row, *roles: str) -> str | None:
    for role in roles:
        if role not in row:
            continue
        if not isinstance(row[role], list):
            inner = [name for name in row[role] if "text" in str(name)] if isinstance(row[role], dict) else []
            within = f"; its texts are the column '{role}.{inner[0]}': name that one with columns=..." if inner else ""
            return f"{role} is {row[role]!r}, not a list of texts{within}"
        for place, text in enumerate(row[role]):
            if not isinstance(text, str):
                return f"{role}[{place}] is {text!r}, not a text; correct the row, or leave it out"
    return None


def _classification(row: Row, task_format: Any) -> str | None:
    if "label" in row and row["label"] not in task_format.labels:
        return (
            f"label {row['label']!r} is not in the label set ({_shortened(task_format.labels)})"
            f"{_alike(row['label'], task_format.labels)}; "
            "correct the row, or map its value with Rows(label_names=..., dropped_labels=...)"
        )
    return _no_text(row, "text", "pair")


def _multiple_choice(row: Row, _format: Any) -> str | None:
    fault = _no_text(row, "text", "question") or _no_texts(row, "choices")
    if fault is not None:
        return fault
    if len(row["choices"]) < 2:
        return f"it has {len(row['choices'])} choices ({row['choices']}); there are at least two to choose from"
    if "label" not in row:
        return None
    label, count = row["label"], len(row["choices"])
    if isinstance(label, bool) or not isinstance(label, int) or not 0 <= label < count:
        return (
            f"label {label!r} is not the index of one of its {count} choices (0 to {count - 1}); correct the row, or "
            "name each choice's raw label with Rows(choice_keys=...)"
        )
    return None


def _tagging(row: Row, task_format: Any) -> str | None:
    fault = _no_texts(row, "tokens")
    if fault is not None:
        return fault
    tokens: list[str] = row["tokens"]
    if not tokens:
        return "it has no tokens; leave the row out"
    blank = next((place for place, token in enumerate(tokens) if not token.strip()), None)
    if blank is not None:
        return f"tokens[{blank}] is {tokens[blank]!r}, which holds no word; leave it and its tag out"
    if "tags" not in row:
        return None
    tags = row["tags"]
    if not isinstance(tags, list) or len(tags) != len(tokens):  # pyright: ignore[reportUnknownArgumentType]
        count = len(tags) if isinstance(tags, list) else repr(tags)  # pyright: ignore[reportUnknownArgumentType]
        return f"{len(tokens)} tokens, but tags: {count}; each token has one tag; correct the row"
    known = _as_set(task_format.labels)
    for place, tag in enumerate(tags):  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        if not isinstance(tag, str) or tag not in known:
            return (
                f"tags[{place}] is {tag!r} (of {tokens[place]!r}), which is not in the tag set "
                f"({_shortened(task_format.labels)}){_alike(tag, task_format.labels)}; "
                f"{_scheme(tags) or 'correct the row, or map ids with Rows(label_names=...)'}"
            )
    return None


def _question_answering(row: Row, task_format: Any) -> str | None:
    fault = _no_text(row, "question", "context") or _no_texts(row, "answers")
    if fault is not None or "answers" not in row:
        return fault
    answers: list[str] = row["answers"]
    if not answers and not task_format.unanswerable:
        return "it has no answer; leave the row out, or say QuestionAnswering(unanswerable=True)"
    if not all(answer.strip() for answer in answers):
        return f"an answer is empty ({answers}); write no answer at all where the question has none"
    if "answer_starts" not in row:
        return None
    starts = row["answer_starts"]
    whole = isinstance(starts, list) and all(is_whole(start) for start in starts)  # pyright: ignore[reportUnknownVariableType]
    if not whole or len(starts) != len(answers):
        return (
            f"{len(answers)} answers, but answer_starts is {starts!r}; give each answer the character it begins at, an "
            "integer"
        )
    return None


def _retrieval(row: Row, _format: Any) -> str | None:
    fault = _no_text(row, "query", "candidate", "candidate_context", "id") or _no_texts(row, "gold", "answers")
    if fault is None and row.get("gold") == []:
        return "gold is empty; a query has at least one right candidate: leave the row out"
    return fault


def _bitext(row: Row, _format: Any) -> str | None:
    return _no_text(row, "query", "candidate")


def _bitext_mining(row: Row, _format: Any) -> str | None:
    fault = _no_texts(row, "source", "target")
    if fault is not None:
        return fault
    if not row["source"] or not row["target"]:
        return f"there are {len(row['source'])} source and {len(row['target'])} target sentences; mining needs both"
    if "gold" not in row:
        return None
    for pair in row["gold"] if isinstance(row["gold"], list) else [row["gold"]]:  # pyright: ignore[reportUnknownVariableType]
        fits = isinstance(pair, list) and len(pair) == 2 and all(is_whole(number) for number in pair)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        if not fits or not (0 < pair[0] <= len(row["source"]) and 0 < pair[1] <= len(row["target"])):
            return (
                f"gold pair {pair!r} is not [number of a source sentence, number of a target sentence], counted from 1 "
                f"to {len(row['source'])} and {len(row['target'])}"
            )
    return None


def _masked_language_model(row: Row, _format: Any) -> str | None:
    return _no_text(row, "text")


def is_whole(value: Any) -> bool:
    """Whether a value is a whole number; Python takes True for 1."""
    return isinstance(value, int) and not isinstance(value, bool)


def _alike(value: Any, labels: tuple[str, ...]) -> str:
    """The label that looks like the value but for letter case, spaces and invisible characters, as a question."""
    found = next((label for label in labels if isinstance(value, str) and plain(label) == plain(value)), None)
    if found is None:
        return ""
    if unicodedata.normalize("NFC", value) == unicodedata.normalize("NFC", found):
        form = "NFC" if unicodedata.is_normalized("NFC", found) else "NFD"
        return f" (is {found!r} meant? The two differ in Unicode's coding of accents alone: write the file in {form})"
    return f" (is {found!r} meant?)"


def _scheme(tags: list[Any]) -> str | None:
    """Return the remedy for tags whose scheme differs from the tag set's."""
    scheme = foreign_scheme([tag for tag in tags if isinstance(tag, str)])
    return f"the row's tags are {scheme}" if scheme is not None else None


@lru_cache
def _as_set(labels: tuple[str, ...]) -> frozenset[str]:
    """Category sets of hundreds of tags are searched for every token."""
    return frozenset(labels)


def _shortened(labels: tuple[str, ...]) -> str:
    return ", ".join(labels[:40]) + (f", ... {len(labels)} in all" if len(labels) > 40 else "")


FAULTS: dict[type, Callable[[Row, Any], str | None]] = {
    Classification: _classification,
    MultipleChoice: _multiple_choice,
    Tagging: _tagging,
    QuestionAnswering: _question_answering,
    Retrieval: _retrieval,
    Bitext: _bitext,
    BitextMining: _bitext_mining,
    MaskedLanguageModel: _masked_language_model,
    SpanCorruption: _masked_language_model,
}
"""Format -> a function (row, format) that says what is wrong with a row; None: nothing."""
