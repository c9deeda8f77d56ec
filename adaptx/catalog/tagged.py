"""Words with their tags in text files: CoNLL columns, and the leaves of CCGbank's derivations."""

import re
from pathlib import Path

from adaptx.errors import UserError

CONLL_ENDINGS = (".conll", ".txt", ".bio", ".iob2", ".tsv")
AUTO_ENDING = ".auto"
# A leaf is `<L category changed-tag tag word predicate-argument-category>` (Hockenmaier and Steedman 2005, the manual).
_LEAF = re.compile(r"<L (\S+) \S+ \S+ (\S+) \S+>")
_FIELDS = re.compile(r"[ \t]+")

Sentence = tuple[list[str], list[str]]
"""(words, their tags); no tags where the file has one column only."""


def read_tagged(path: Path) -> list[Sentence]:
    """The sentences of a file, by its ending.

    Raises:
        UserError: no such form of file, or a line that is none of its form.
    """
    return read_auto(path) if path.suffix == AUTO_ENDING else read_conll(path)


def read_conll(path: Path) -> list[Sentence]:
    """Sentences with blank lines between them, one word a line: the word first, its tag last, tabs or spaces between.

    Lines that begin with `# ` before a sentence's first word are comments; `-DOCSTART-` sentences are left out.

    Raises:
        UserError: some lines have a tag and others have none.
    """
    sentences: list[Sentence] = []
    words: list[str] = []
    tags: list[str] = []
    width: int | None = None
    for number, line in enumerate([*_lines(path), ""], 1):
        if not line.strip():
            if words and words[0] != "-DOCSTART-":
                sentences.append((words, tags))
            words, tags = [], []
            continue
        if not words and line.startswith("# "):
            continue
        fields = line.split("\t") if "\t" in line else _FIELDS.split(line.strip(" "))
        if width is None:
            width = min(len(fields), 2)
        if min(len(fields), 2) != width:
            raise UserError(
                f"{path}, line {number}: {line!r} has {len(fields)} columns, but earlier lines have "
                f"{'a tag' if width == 2 else 'no tag'}; write the word, a tab and its tag"
            )
        words.append(fields[0])
        if width == 2:
            tags.append(fields[-1].strip())
    return sentences


def read_auto(path: Path) -> list[Sentence]:
    """CCGbank's derivations: the words of each with their lexical categories, as they are written there.

    Raises:
        UserError: a line is neither an `ID=` line nor a derivation.
    """
    sentences: list[Sentence] = []
    for number, line in enumerate(_lines(path), 1):
        if not line.strip() or line.startswith("ID="):
            continue
        leaves = _LEAF.findall(line)
        if not leaves:
            raise UserError(
                f"{path}, line {number}: {line[:60]!r} holds no leaf `<L CATEGORY TAG TAG WORD CATEGORY>`; a .auto "
                "file is one of CCGbank's data/AUTO"
            )
        sentences.append(([word for _, word in leaves], [category for category, _ in leaves]))
    return sentences


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is no UTF-8 text ({error}); convert it, for example with iconv") from error
