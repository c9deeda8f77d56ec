"""Read the words (column FORM) and part-of-speech tags (column UPOS) of CoNLL-U files.

The format is described at https://universaldependencies.org/format.html. Lines of multiword tokens (numbered `2-3`)
and of empty nodes (numbered `4.1`) are skipped.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from adaptx.errors import UserError
from adaptx.files.left_out import LineCounts

CONLLU_ENDING = ".conllu"
WIDTH = 10
FORM, UPOS = 1, 3
_ID = re.compile(r"(?P<number>\d+)(?P<range>-\d+)?(?P<empty>\.\d+)?")
_COLUMNS = "# global.columns"
_STANDARD = "ID FORM LEMMA UPOS XPOS FEATS HEAD DEPREL DEPS MISC"


def is_conllu(lines: Sequence[str]) -> bool:
    """Return whether the first line that is not blank or a comment has ten columns and begins with a word's number."""
    first = next((line for line in lines if line.strip() and not line.startswith("#")), "")
    fields = first.split("\t")
    return len(fields) == WIDTH and _ID.fullmatch(fields[0]) is not None


def read_conllu(path: Path, lines: Sequence[str]) -> tuple[list[tuple[list[str], list[str]]], list[int], LineCounts]:
    """Return (words, tags) of each sentence, the number of its first line, and counts of the lines without a word.

    Raises:
        UserError: a line does not have CoNLL-U's columns, or the words of a sentence are not numbered from 1.
    """
    counts = LineCounts()
    sentences: list[tuple[list[str], list[str]]] = []
    begins: list[int] = []
    words: list[str] = []
    tags: list[str] = []
    for number, line in enumerate([*lines, ""], 1):
        if not line.strip(" \t"):
            if words:
                sentences.append((words, tags))
            words, tags = [], []
            continue
        if line.startswith("#"):
            named = line.partition("=")[2].split() if line.startswith(_COLUMNS) else []
            if named and named != _STANDARD.split():
                raise UserError(
                    f"{path}, line {number}: its columns are {' '.join(named)}; write CoNLL-U's ten ({_STANDARD})"
                )
            counts.add("comments (#)", number)
            continue
        fields = line.split("\t")
        token = _ID.fullmatch(fields[0])
        if len(fields) != WIDTH or token is None:
            raise UserError(
                f"{path}, line {number}: {line[:60]!r} has {len(fields)} columns and begins with {fields[0][:20]!r}; a "
                "line of CoNLL-U has ten columns, separated by tabs, and begins with the word's number"
            )
        if token["range"]:
            counts.add("multiword tokens (2-3)", number)
        elif token["empty"]:
            counts.add("empty nodes (4.1)", number)
        elif int(token["number"]) != len(words) + 1:
            raise UserError(
                f"{path}, line {number}: the word {fields[FORM]!r} has the number {fields[0]} instead of "
                f"{len(words) + 1}; number the words of a sentence from 1, and put a blank line between sentences"
            )
        else:
            if not words:
                begins.append(number)
            words.append(fields[FORM])
            tags.append(fields[UPOS])
    return sentences, begins, counts
