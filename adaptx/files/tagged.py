"""Read tagged sentences from text files: CoNLL columns, CoNLL-U, and CCGbank's derivations."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from adaptx.errors import UserError
from adaptx.files.conllu import CONLLU_ENDING, is_conllu, read_conllu
from adaptx.files.left_out import LeftOut, LineCounts
from adaptx.files.text import ending, read_text, text_lines
from adaptx.files.words import refuse_json, refuse_marks, refuse_other_columns, refuse_unknown_tags

CONLL_ENDINGS = (".conll", ".txt", ".bio", ".iob2", ".tsv", CONLLU_ENDING)
AUTO_ENDING = ".auto"
DOCUMENT_MARK = "-DOCSTART-"
# A leaf is `<L category changed-tag tag word predicate-argument-category>` (manual, Hockenmaier and Steedman 2005).
_LEAF = re.compile(r"<L (\S+) \S+ \S+ (\S+) \S+>")
_FIELDS = re.compile(r"[ \t]+")
_DOCUMENT_LINES = ("#begin document", "#end document")
_HEADER_WORDS = {"token", "tokens", "word", "words", "form"}
_HEADER_TAGS = {"tag", "tags", "label", "labels", "ner", "ner_tag", "ner_tags", "pos", "upos", "pos_tags"}

Sentence = tuple[list[str], list[str]]
"""(words, tags). The list of tags is empty if the file has only one column."""


@dataclass(frozen=True)
class TaggedFile:
    """The sentences of one file.

    lines: the number of the line in which each sentence begins. left_out: counts of the lines without a word.
    """

    sentences: list[Sentence]
    lines: list[int]
    left_out: tuple[LeftOut, ...] = ()


def read_tagged(path: Path, labels: Collection[str] = (), labelled: bool = True) -> TaggedFile:
    """Read the sentences of a file, as CCGbank's derivations (`.auto`), as CoNLL-U, or as CoNLL columns.

    A file is CoNLL-U if its name ends in `.conllu` or if it begins with a line of CoNLL-U.

    labels: the task's tags, if they are known; they help to tell a word `#` from a comment.
    labelled: whether the caller uses the tags. If not, they are still checked here (see `refuse_unknown_tags`).

    Raises:
        UserError: the file is not UTF-8 text, or a line does not have the file's format.
    """
    lines = text_lines(read_text(path))
    if ending(path) == AUTO_ENDING:
        return _ccgbank_sentences(path, lines)
    refuse_marks(path, lines)
    if ending(path) == CONLLU_ENDING or is_conllu(lines):
        sentences, begins, counts = read_conllu(path, lines)
    else:
        refuse_json(path, lines)
        sentences, begins, counts = _conll_sentences(path, lines, labels, labelled)
    return TaggedFile(sentences, begins, counts.records(path))


def _conll_sentences(
    path: Path, lines: Sequence[str], labels: Collection[str], labelled: bool
) -> tuple[list[Sentence], list[int], LineCounts]:
    """Read CoNLL columns: one word per line, the word first and its tag last, and blank lines between sentences.

    Tabs separate columns if any word's line has one, otherwise spaces. `-DOCSTART-` lines end a sentence. A line that
    begins with `# `, `#begin document` or `#end document` is a comment, with one exception: it is a word if it has as
    many columns as the others and ends with a known tag.

    Raises:
        UserError: lines have different numbers of columns, the first column does not hold words, or a line names the
            columns.
    """
    tabs = any("\t" in line for line in lines if not _may_be_comment(line) and line.strip(" \t"))
    columns = _columns_of_lines(lines, tabs)
    first = next((place for place, fields in enumerate(columns) if fields and not _may_be_comment(lines[place])), None)
    width = len(columns[first]) if first is not None else 0
    tags = {*labels}
    tags |= {f[-1] for f, line in zip(columns, lines, strict=True) if len(f) == width > 1 and not _may_be_comment(line)}
    if first is not None:
        _refuse_header(path, first + 1, columns[first])
    counts, building = LineCounts(), _SentenceLines()
    for number, (fields, line) in enumerate(zip(columns, lines, strict=True), 1):
        if not fields:
            building.end()
        elif line.startswith(DOCUMENT_MARK):
            counts.add(f"document marks ({DOCUMENT_MARK})", number)
            building.end()
        elif _may_be_comment(line) and not (len(fields) == width and (width == 1 or fields[-1] in tags)):
            counts.add("comments (#)", number)
        elif len(fields) != width:
            raise UserError(
                f"{path}, line {number}: {line[:80]!r} has {_counted(len(fields))}, but line {(first or 0) + 1} has "
                f"{width}; write the same columns in every word's line, the word first and its tag last, separated by "
                "tabs"
            )
        else:
            building.add(number, fields)
    building.end()
    refuse_other_columns(path, width, building.sentences, labels, tabs)
    if not labelled:
        refuse_unknown_tags(path, building.sentences, labels, tabs)
    return building.sentences, building.begins, counts


class _SentenceLines:
    def __init__(self) -> None:
        self.sentences: list[Sentence] = []
        self.begins: list[int] = []
        self._words: list[str] = []
        self._tags: list[str] = []

    def add(self, number: int, fields: Sequence[str]) -> None:
        if not self._words:
            self.begins.append(number)
        self._words.append(fields[0].strip(" "))
        if len(fields) > 1:
            self._tags.append(fields[-1].strip(" "))

    def end(self) -> None:
        if self._words:
            self.sentences.append((self._words, self._tags))
        self._words, self._tags = [], []


def _columns_of_lines(lines: Sequence[str], tabs: bool) -> list[list[str]]:
    if tabs:
        return [line.split("\t") if line.strip(" \t") else [] for line in lines]
    return [_FIELDS.split(stripped) if (stripped := line.strip(" \t")) else [] for line in lines]


def _may_be_comment(line: str) -> bool:
    return line.startswith(("# ", DOCUMENT_MARK, *_DOCUMENT_LINES))


def _counted(columns: int) -> str:
    return f"{columns} column{'s' if columns != 1 else ''}"


def _refuse_header(path: Path, number: int, fields: list[str]) -> None:
    names = [field.strip().lower() for field in fields]
    if len(names) > 1 and names[0] in _HEADER_WORDS and names[-1] in _HEADER_TAGS:
        raise UserError(
            f"{path}, line {number}: it names columns ({', '.join(fields)}), which a file of one word per line does "
            f"not have; remove the line"
        )


def _ccgbank_sentences(path: Path, lines: Sequence[str]) -> TaggedFile:
    """Read CCGbank's derivations: their words, with their lexical categories as tags.

    Raises:
        UserError: a line is neither an `ID=` line nor a derivation.
    """
    sentences: list[Sentence] = []
    begins: list[int] = []
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("ID="):
            continue
        leaves = _LEAF.findall(line)
        begun = line.count("<L ")
        if not leaves or len(leaves) < begun:
            raise UserError(
                f"{path}, line {number}: {line[:60]!r} holds {'no leaf' if not leaves else f'{begun} leaves, but '}"
                f"{'' if not leaves else f'{len(leaves)} of the form'} `<L CATEGORY TAG TAG WORD CATEGORY>`; a .auto "
                "file is one of CCGbank's data/AUTO"
            )
        sentences.append(([word for _, word in leaves], [category for category, _ in leaves]))
        begins.append(number)
    return TaggedFile(sentences, begins)
