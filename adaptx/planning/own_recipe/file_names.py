"""The language of a file's rows, and whether they are for training or for testing, as read from its name."""

import functools
import re
from pathlib import Path

from adaptx.catalog.language_codes import read_code
from adaptx.catalog.languages import LANGUAGES

TRAIN, DEVELOPMENT, EVALUATION = "train", "development", "evaluation"
_USE_OF = {
    **dict.fromkeys(("train", "training", "trn"), TRAIN),
    **dict.fromkeys(("dev", "devel", "development", "valid", "validation", "val"), DEVELOPMENT),
    **dict.fromkeys(("test", "testing", "tst", "eval", "evaluation", "gold"), EVALUATION),
}
USES = {"train": TRAIN, "development": DEVELOPMENT, "test": EVALUATION}
"""Word of the option --use -> use of the rows."""
# `my_data.csv` is not Burmese. At the end of a name, as in `train.my.csv`, these are codes.
_ENGLISH_WORDS = {"am", "an", "as", "be", "for", "he", "in", "is", "it", "my", "no", "or", "run", "so", "the", "to"}
_FLORES = re.compile(r"(?<![A-Za-z])[a-z]{3}_[A-Z][a-z]{3}(?![A-Za-z])")


def use_of(path: Path) -> str | None:
    """Return the use that a file's name says, such as `train` for `swahili-train.csv`, or None if it says none."""
    return next((_USE_OF[part] for part in _parts(path.name) if part in _USE_OF), None)


def language_of(path: Path) -> str | None:
    """Return the language code in a file's name, or in that of its folder; None if there is none.

    Names of languages become codes: `swahili.csv` is `sw`. The last part of a name that is a language counts.
    """
    for name in (path.name, path.absolute().parent.name):
        if (found := _FLORES.search(name)) is not None and found[0] in LANGUAGES:
            return found[0]
        parts = _parts(name)
        for place in range(len(parts) - 1, -1, -1):
            part = parts[place]
            if part in _USE_OF or (part in _ENGLISH_WORDS and place < len(parts) - 1):
                continue
            if part in LANGUAGES or ((tag := read_code(part)) is not None and tag.name is not None):
                return part
            if part in _code_of_name():
                return _code_of_name()[part]
    return None


def _parts(name: str) -> list[str]:
    stem = name.lower().removesuffix(".gz").rpartition(".")[0] or name.lower()
    return [part for part in re.split(r"[^a-z]+", stem) if part]


@functools.cache
def _code_of_name() -> dict[str, str]:
    codes: dict[str, str] = {}
    for code, language in sorted(LANGUAGES.items(), key=lambda each: (len(each[0]), each[0])):
        codes.setdefault(language.name.lower(), code)
    return codes
