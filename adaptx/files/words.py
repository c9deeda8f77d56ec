"""Check that the first column of CoNLL files holds words."""

import json
import re
from collections.abc import Collection, Sequence
from itertools import pairwise
from pathlib import Path

from adaptx.errors import UserError
from adaptx.files.text import WITHOUT_MARKS, converting

Sentences = Sequence[tuple[list[str], list[str]]]
# WikiANN's files write the language before each word: `en:Berlin`, `zh-classical:...`. `https://...` is a word.
_LANGUAGE = re.compile(r"([a-z][a-z-]{1,11}):(?!//)\S")
_MARKS = {",": "a comma", ";": "a semicolon", "|": "a bar", "/": "a slash", "_": "an underscore", ":": "a colon"}
_REPEATED = 4
"""Minimum number of words in a file that is refused because each of its sentences repeats a single word."""


def refuse_json(path: Path, lines: Sequence[str]) -> None:
    """Refuse JSON lines in a file whose ending says that each line is a word.

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
        raise UserError(f"{path}: its lines are JSON objects, not words; rename it to end in .jsonl")


def refuse_marks(path: Path, lines: Sequence[str]) -> None:
    """Refuse byte-order marks within a file, which would become part of a word.

    Raises:
        UserError: a line other than the first begins with such a mark.
    """
    for number, line in enumerate(lines, 1):
        if line.startswith("\ufeff"):
            raise UserError(
                f"{path}, line {number}: it begins with a byte-order mark, as if files had been joined. Remove it: "
                f"{converting(path, WITHOUT_MARKS)}"
            )


def refuse_other_columns(path: Path, width: int, sentences: Sentences, labels: Collection[str], tabs: bool) -> None:
    """Refuse a file whose first column does not hold words.

    width: number of columns. labels: the task's tags; empty if unknown. tabs: whether tabs separate the columns.

    Raises:
        UserError: the column numbers the words, names the sentence or document, or holds words joined with their
            language or tag.
    """
    words = [word for found, _ in sentences for word in found]
    if len(words) < 2:
        return
    if width > 1:
        without = converting(path, "cut -f 2-" if tabs else r"sed -E 's/^ *[^ ]+ +//'")
        _refuse_numbers(path, words, sentences, without)
        _refuse_names(path, sentences, without)
    elif (mark := _mark_between_word_and_tag(words, labels)) is not None:
        raise UserError(
            f"{path}: each line is one column such as {words[0]!r}, so {_MARKS[mark]} seems to separate word and tag; "
            "use a tab instead"
        )
    begun = _LANGUAGE.match(words[0])
    without = f"sed 's/^{begun[1]}://'" if begun else ""
    if begun is not None and all(word.startswith(f"{begun[1]}:") for word in words) and len(set(words)) > 1:
        raise UserError(
            f"{path}: each word begins with {begun[1] + ':'!r} ({words[0]!r}, ...), the language in WikiANN's files. "
            f"Remove it: {converting(path, without)}"
        )


def refuse_unknown_tags(path: Path, sentences: Sentences, labels: Collection[str], tabs: bool) -> None:
    """Refuse a file with several columns if its last column holds no tag of the task.

    The first column of such a file may not hold words either. Predictions need this check, because they do not read the
    tags.

    tabs: whether tabs separate the columns.

    Raises:
        UserError: no value of the last column is one of `labels` or an index into them.
    """
    known = {label.casefold() for label in labels} | {str(place) for place in range(len(labels))}
    tags = {tag for _, found in sentences for tag in found}
    if not labels or not tags or any(tag.casefold() in known for tag in tags):
        return
    words, shown = sentences[0][0], ", ".join([*labels][:8])
    if all(word.casefold() in known for found, _ in sentences for word in found):
        raise UserError(
            f"{path}: its first column holds tags ({words[0]!r}, ...); write the word first and its tag last"
        )
    cut = "cut -f 1" if tabs else "awk '{print $1}'"
    raise UserError(
        f"{path}: no value of its last column ({sentences[0][1][0]!r}, ...) is a tag of the task ({shown}), so its "
        f"first column ({words[0]!r}, ...) may not hold words. Write one word per line, with blank lines between "
        f"sentences. If the first column does hold words, keep only that column: {converting(path, cut)}"
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
            f"{path}: its first column numbers the words of {'each sentence' if of_sentences else 'the file'} "
            f"({words[0]}, ...), but it should hold the words. Remove that column: {without}"
        )


def _refuse_names(path: Path, sentences: Sentences, without: str) -> None:
    repeated = [words for words, _ in sentences if len(words) > 1]
    if all(len(set(words)) == 1 for words in repeated) and sum(map(len, repeated)) >= _REPEATED:
        raise UserError(
            f"{path}: its first column has the same value in all lines of a sentence ({repeated[0][0]!r}), such as the "
            f"name of the sentence or document, but it should hold the words. Remove that column: {without}"
        )


def _mark_between_word_and_tag(words: Sequence[str], labels: Collection[str]) -> str | None:
    for mark in _MARKS:
        parts = [word.rpartition(mark) for word in words]
        if all(word and tag in labels for word, _, tag in parts):
            return mark
    return None
