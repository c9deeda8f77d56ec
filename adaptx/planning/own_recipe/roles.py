"""Which column of a table holds which role: by its name and, for texts and labels, by its values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adaptx.data.tables import RowTable
from adaptx.errors import UserError
from adaptx.specs.near import plain

CLASSIFICATION, TAGGING, ANSWERS = "classification", "tagging", "question-answering"
TASKS = (CLASSIFICATION, TAGGING, ANSWERS)
_NAMES: dict[str, tuple[str, ...]] = {
    "tokens": ("tokens", "words"),
    "tags": ("tags", "ner_tags", "pos_tags", "upos", "labels"),
    "question": ("question",),
    "context": ("context", "passage", "paragraph"),
    "answers": ("answers.text", "answers"),
    "answer_starts": ("answer_starts", "answers.answer_start", "answers.answer_starts", "answer_start"),
    "text": (
        *("text", "sentence", "premise", "sentence1", "question1", "text1", "content", "tweet", "review", "comment"),
        *("body", "message", "document", "article", "utterance", "post", "headline", "title"),
    ),
    "pair": ("pair", "hypothesis", "sentence2", "question2", "text2"),
    "label": (
        *("label", "labels", "class", "category", "target", "sentiment", "topic", "gold_label", "intent", "emotion"),
        *("rating", "stars", "score"),
    ),
}
"""Role -> usual names of its column, the most usual first."""
_ROLES = {
    CLASSIFICATION: (("text", "label"), ("pair",)),
    TAGGING: (("tokens", "tags"), ()),
    ANSWERS: (("question", "context", "answers"), ("answer_starts",)),
}
"""Task -> (needed roles, optional roles)."""
MOST_LABELS = 200
_LABEL_SHARE = 0.5
"""Distinct values of a column of labels are at most this share of its rows."""


@dataclass(frozen=True)
class FoundRoles:
    """The task that a table's columns are for. columns: role -> column."""

    task: str
    columns: Mapping[str, str]


def find_roles(table: RowTable, given: Mapping[str, Any], task: str | None) -> FoundRoles:
    """Return the task and the columns of a table.

    given: role -> column, as the user says. task: one of `TASKS`, or None to find it out.

    Raises:
        UserError: a needed role has no column that can be told by its name or values.
    """
    named = {role: column for role in _NAMES if (column := _by_name(role, table)) is not None} | dict(given)
    if task is None:
        tagged = {"tokens", "tags"} <= named.keys()
        asked = {"question", "context", "answers"} <= named.keys()
        task = TAGGING if tagged else ANSWERS if asked else CLASSIFICATION
    needed, optional = _ROLES[task]
    columns = {role: named[role] for role in (*needed, *optional) if role in named}
    if task == CLASSIFICATION:
        if "label" not in columns and (found := _label_column(table, columns)) is not None:
            columns["label"] = found
        if "text" not in columns and (found := _text_column(table, columns)) is not None:
            columns["text"] = found
    missing = [role for role in needed if role not in columns]
    if missing:
        told = " ".join(f"--columns {role}=COLUMN" for role in missing)
        raise UserError(
            f"{table.where}: no column is known to hold the {' and the '.join(missing)} of {task}; "
            f"{table.shown_columns(missing[0])}. Name {'it' if len(missing) == 1 else 'them'}: {told}"
        )
    return FoundRoles(task, {role: columns[role] for role in (*needed, *optional) if role in columns})


def _by_name(role: str, table: RowTable) -> str | None:
    known = {plain(name): name for name in table.names}
    return next((known[name] for name in _NAMES[role] if name in known), None)


def _label_column(table: RowTable, columns: Mapping[str, str]) -> str | None:
    """Return the only column with few distinct short values, or None if there is no such column, or several."""
    found: list[str] = []
    for name in _plain_columns(table, columns):
        values = table.column(name, range(table.length))
        distinct = {str(value) for value in values}
        few = 2 <= len(distinct) <= min(MOST_LABELS, _LABEL_SHARE * table.length)
        if few and max(map(len, distinct)) <= 40:
            found.append(name)
    return found[0] if len(found) == 1 else None


def _text_column(table: RowTable, columns: Mapping[str, str]) -> str | None:
    """Return the column whose texts are the longest on average, or None if no column holds texts."""
    lengths: dict[str, float] = {}
    for name in _plain_columns(table, columns):
        values = table.column(name, range(table.length))
        letters = any(letter.isalpha() for value in values for letter in str(value))
        if letters and all(isinstance(value, str) for value in values):
            lengths[name] = sum(map(len, values)) / len(values)
    return max(lengths, key=lengths.__getitem__, default=None)


def _plain_columns(table: RowTable, columns: Mapping[str, str]) -> Sequence[str]:
    return [name for name in table.leaves() if name not in columns.values()]
