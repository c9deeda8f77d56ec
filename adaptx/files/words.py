"""Whether the words of CoNLL columns are words: other things that stand in a first column are refused by their kind."""

import json
import re
from collections.abc import Collection, Sequence
from itertools import pairwise
from pathlib import Path

from adaptx.errors import UserError
from adaptx.files.text import WITHOUT_MARKS, converting

Sentences = Sequence[tuple[list[str], list[str]]]
# WikiANN's files put the language before each word: `en:Berlin`, `zh-classical:...`; `https://...` is a word.
_LANGUAGE = re.compile(r"([a-z][a-z-]{1,11}):(?!//)\S")
_MARKS = {",": "a comma", ";": "a semicolon", "|": "a bar", "/": "a slash", "_": "an underscore", ":": "a colon"}
_REPEATED = 4
"""Words in sentences of one repeated word, from which on a file of nothing else is refused."""


def refuse_json(path: Path, lines: Sequence[str]) -> None:
    """Refuse JSON lines under an ending of one word a line.

    Raises:
        UserError: the first line that is not blank is a JSON object.
    """
    first = next((line for line in lines if line.strip()), "")
    if not first.startswith("{"):
        return
    try:
        found = json.loads(first)
    except (ValueError, RecursionError):
        return
    if isinstance(found, dict) and found:
        raise UserError(f"{path}: its lines are JSON objects, not a word each; name it with the ending .jsonl")


def refuse_marks(path: Path, lines: Sequence[str]) -> None:
    """Refuse byte-order marks within a file, which would become part of a word.

    Raises:
        UserError: a line other than the first begins with one.
    """
    for number, line in enumerate(lines, 1):
        if line.startswith("\ufeff"):
            raise UserError(
                f"{path}, line {number}: it begins with a byte-order mark, as where files were joined. Remove it: "
                f"{converting(path, WITHOUT_MARKS)}"
            )


def refuse_other_columns(path: Path, width: int, sentences: Sentences, labels: Collection[str], tabs: bool) -> None:
    """Refuse a first column that holds something else than words.

    labels: the task's tags, if they are known. tabs: they stand between columns.

    Raises:
        UserError: it counts words, names the sentence or document, or holds the word with its language or tag.
    """
    words = [word for found, _ in sentences for word in found]
    if len(words) < 2:
        return
    if width > 1:
        without = converting(path, "cut -f 2-" if tabs else r"sed -E 's/^ *[^ ]+ +//'")
        _refuse_numbers(path, words, sentences, without)
        _refuse_names(path, sentences, without)
    elif (mark := _mark_before_tags(words, labels)) is not None:
        raise UserError(
            f"{path}: each line is one column like {words[0]!r}, so {_MARKS[mark]} seems to stand between word and "
            "tag; write a tab there"
        )
    begun = _LANGUAGE.match(words[0])
    without = f"sed 's/^{begun[1]}://'" if begun else ""
    if begun is not None and all(word.startswith(f"{begun[1]}:") for word in words) and len(set(words)) > 1:
        raise UserError(
            f"{path}: each word begins with {begun[1] + ':'!r} ({words[0]!r}, ...), as WikiANN's files write the "
            f"language. Remove it: {converting(path, without)}"
        )


def refuse_unknown_tags(path: Path, sentences: Sentences, labels: Collection[str], tabs: bool) -> None:
    """Refuse a file of several columns whose last one holds no tag of the task: its first may hold no words either.

    tabs: they stand between columns. To predict, tags are not read, so that nothing else would tell.

    Raises:
        UserError: no value of the last column is one of `labels` or a place among them.
    """
    known = {label.casefold() for label in labels} | {str(place) for place in range(len(labels))}
    tags = {tag for _, found in sentences for tag in found}
    if not labels or not tags or any(tag.casefold() in known for tag in tags):
        return
    words, shown = sentences[0][0], ", ".join([*labels][:8])
    if all(word.casefold() in known for found, _ in sentences for word in found):
        raise UserError(
            f"{path}: its first column holds the tags ({words[0]!r}, ...); write the word first and its tag last"
        )
    cut = "cut -f 1" if tabs else "awk '{print $1}'"
    raise UserError(
        f"{path}: no value of its last column ({sentences[0][1][0]!r}, ...) is a tag of the task ({shown}), so its "
        f"first ({words[0]!r}, ...) may not hold the words. Write one word a line, with blank lines between sentences. "
        f"If the first column does hold them, keep it alone: {converting(path, cut)}"
    )


def _refuse_numbers(path: Path, words: Sequence[str], sentences: Sentences, without: str) -> None:
    numbers = [int(word) for word in words if word.isascii() and word.isdigit()]
    if len(numbers) < len(words):
        return
    of_sentences = any(
        all(found == [str(number + begin) for number in range(len(found))] for found, _ in sentences)
        for begin in (0, 1)
    )
    if of_sentences or all(one < two for one, two in pairwise(numbers)):
        raise UserError(
            f"{path}: its first column counts the words of {'each sentence' if of_sentences else 'the file'} "
            f"({words[0]}, ...), and words are read from there. Remove that column: {without}"
        )


def _refuse_names(path: Path, sentences: Sentences, without: str) -> None:
    repeated = [words for words, _ in sentences if len(words) > 1]
    if all(len(set(words)) == 1 for words in repeated) and sum(map(len, repeated)) >= _REPEATED:
        raise UserError(
            f"{path}: its first column repeats one value in all lines of a sentence ({repeated[0][0]!r}), as names of "
            f"sentences or documents do, and words are read from there. Put the words first; "
            f"to remove the column: {without}"
        )


def _mark_before_tags(words: Sequence[str], labels: Collection[str]) -> str | None:
    """The mark that stands before a tag of the task in every word; None: there is no such one."""
    for mark in _MARKS:
        parts = [word.rpartition(mark) for word in words]
        if all(word and tag in labels for word, _, tag in parts):
            return mark
    return None
