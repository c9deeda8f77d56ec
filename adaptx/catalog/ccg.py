"""CCG supertagging on the user's own copy of CCGbank, which is licensed and not on the hub.

Hockenmaier and Steedman 2007, CCGbank: A Corpus of CCG Derivations and Dependency Structures Extracted from the Penn
Treebank, Computational Linguistics 33(3); LDC2005T13.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from adaptx.errors import MissingInput, UserError
from adaptx.files.tagged import CONLL_ENDINGS, read_tagged
from adaptx.sources.sources import local_files
from adaptx.specs import Rows, Tagging, Task
from adaptx.specs.task import LOCAL

FOLDER_VARIABLE = "ADAPTX_CCGBANK"
_COLUMNS = (("tokens", "tokens"), ("tags", "tags"))


@dataclass(frozen=True)
class _SplitFile:
    # `sections` are patterns of section folders such as `0[2-9]`, `names` the names of plain files without extension.

    sections: tuple[str, ...]
    names: tuple[str, ...]
    expected: int


# The usual split of the Wall Street Journal sections (Clark and Curran 2007, Computational Linguistics 33(4)).
_SPLITS = {
    "train": _SplitFile(("0[2-9]", "1[0-9]", "2[01]"), ("train",), 39_604),
    "development": _SplitFile(("00",), ("dev", "development", "validation"), 1_913),
    "evaluation": _SplitFile(("23",), ("test", "evaluation"), 2_407),
}


def ccg_task(folder: str | Path | None = None) -> Task:
    """Return the task of supertagging with the categories found in a folder of CCGbank.

    The folder has either the LDC's .auto files or plain files. The .auto files are in section folders (`00` to `24`),
    which lie in `data/AUTO`, in `AUTO` or at the top. Plain files are called `train`, `dev` and `test`, and end in
    .tsv, .txt or .conll. Their lines have a word, a tab and its category, and a blank line separates sentences.

    Args:
        folder: the folder; None takes it from the environment variable ADAPTX_CCGBANK.

    Raises:
        MissingInput: no folder is named, or it does not contain all three parts of the corpus.
        UserError: a file has neither format.
    """
    named = folder or os.environ.get(FOLDER_VARIABLE)
    if not named:
        raise MissingInput(f"no folder with CCGbank is named. {_remedy()}")
    path = Path(named).expanduser().absolute()
    if not path.is_dir():
        raise MissingInput(f"there is no folder {path} with CCGbank. {_remedy()}")
    sets = _derivations(path) or _plain_files(path)
    missing = [use for use in _SPLITS if use not in sets]
    if missing:
        there = ", ".join(sorted(other.name for other in path.iterdir())[:12]) or "nothing"
        raise MissingInput(f"{path} has no {' or '.join(missing)} part of CCGbank; it contains: {there}. {_remedy()}")
    return Task(
        "ccg",
        Tagging(_categories(sets.values())),
        train=(sets["train"],),
        development=(sets["development"],),
        evaluation=(sets["evaluation"],),
        metrics=("token_accuracy",),
        kind="syntax",
        licence="LDC User Agreement (LDC2005T13), not redistributable",
        citation="Hockenmaier and Steedman 2007, CCGbank, Computational Linguistics 33(3)",
        description="The lexical category of each word in combinatory categorial grammar.",
    )


def _remedy() -> str:
    return (
        "The corpus is licensed by the LDC (https://catalog.ldc.upenn.edu/LDC2005T13) and cannot be downloaded: "
        "name the folder of your copy with ccg_task(FOLDER) or the environment variable "
        f"{FOLDER_VARIABLE}=FOLDER. The folder contains data/AUTO/00 to 24 with .auto files, or train.tsv, dev.tsv and "
        "test.tsv with a word, a tab and its category per line and a blank line between sentences"
    )


def _derivations(folder: Path) -> dict[str, Rows]:
    for below in ("data/AUTO/", "AUTO/", ""):
        found: dict[str, Rows] = {}
        for use, split in _SPLITS.items():
            patterns = [f"{below}{section}/*.auto" for section in split.sections]
            if any(next(folder.glob(pattern), None) is not None for pattern in patterns):
                found[use] = _rows(folder, " ".join(patterns), use, split.expected)
        if found:
            return found
    return {}


def _plain_files(folder: Path) -> dict[str, Rows]:
    found: dict[str, Rows] = {}
    for use, split in _SPLITS.items():
        names = [f"{name}{ending}" for name in split.names for ending in CONLL_ENDINGS]
        name = next((name for name in names if (folder / name).is_file()), None)
        if name is not None:
            found[use] = _rows(folder, name, use, None)
    return found


def _rows(folder: Path, config: str, use: str, expected: int | None) -> Rows:
    return Rows(f"{LOCAL}{folder}", config, use, "en", _COLUMNS, expected=expected)


def _categories(sets: Iterable[Rows]) -> tuple[str, ...]:
    found: set[str] = set()
    for rows in sets:
        for file in local_files(rows):
            for words, categories in read_tagged(file).sentences:
                if not categories:
                    raise UserError(
                        f"{file}: the words {' '.join(words)!r} have no category; write a word, a tab and its category "
                        "per line"
                    )
                found.update(categories)
    return tuple(sorted(found))
