"""Facts about languages: script, resources, and distance from English.

`language_facts.csv` has one row per code of `languages.py`. A cell is empty if its source says nothing. The columns:

- iso639_3: the individual language that the data sets mean (for Quechua, Ayacucho's `quy`).
- script: ISO 15924 code of the script of the data sets' texts.
- joshi_class: class from 0 (hardly any data) to 5 (most data) of Joshi et al. 2020 (arXiv:2004.09095, lang2tax.txt). A
  macrolanguage's class is used for the member language that data sets mean.
- syntactic_distance: 1 minus the cosine of the language's and English's 103 syntactic features in URIEL (Littell et al.
  2017). Missing features come from the nearest languages (the set syntax_knn of lang2vec 1.1.2).
"""

import csv
import functools
from collections.abc import Iterable
from importlib.resources import files
from typing import NamedTuple

from adaptx.catalog.language_codes import read_code

LOW_RESOURCE = (0, 1, 2)
HIGH_RESOURCE = (3, 4, 5)
"""Classes of Joshi et al. 2020 that count as high-resource. The classes in `LOW_RESOURCE` count as low-resource."""


class LanguageFacts(NamedTuple):
    """The facts about a language. A field is None if it is not known."""

    iso639_3: str | None
    script: str | None
    joshi_class: int | None
    syntactic_distance: float | None


UNKNOWN = LanguageFacts(None, None, None, None)


def language_facts(code: str) -> LanguageFacts:
    """Return the facts about a language, given any of its codes (`ig`, `ibo`, `ibo_Latn`).

    Only `iso639_3` is known for a language that has an ISO 639-1 code but is not in the catalog. All fields are None
    for other unknown languages.
    """
    found = catalog_code(code)
    if found is None:
        tag = read_code(code)
        return UNKNOWN if tag is None or tag.name is None else UNKNOWN._replace(iso639_3=tag.language)
    facts = _table()[found]
    return facts if found == code else facts._replace(script=_script(code, found))


@functools.cache
def catalog_code(code: str) -> str | None:
    """Return the catalog's code for a language, or None if the catalog does not have the language.

    Of several codes, those in the script that `code` names come first, then the ISO 639-3 code, then the shortest code.
    """
    if code in _table():
        return code
    tag = read_code(code)
    if tag is None:
        return None
    # The catalog has the facts about Filipino under Tagalog.
    wanted = _table()[tag.language].iso639_3 if tag.language in _table() else tag.language
    known = [each for each, facts in _table().items() if facts.iso639_3 == wanted]
    known.sort(key=lambda each: (each != tag.language, len(each), each))
    alike = [each for each in known if tag.script is None or _table()[each].script == tag.script]
    return next(iter(alike or known), None)


def unknown_languages(codes: Iterable[str]) -> list[str]:
    """Return those of the given codes whose language the catalog does not have, each once."""
    return [code for code in dict.fromkeys(codes) if catalog_code(code) is None]


@functools.cache
def same_language(one: str, other: str) -> bool:
    """Return whether two codes name the same language in the same script (`sw` and `swa`, `zh` and `zho_Hans`)."""
    if one == other:
        return True
    ours, theirs = language_facts(one), language_facts(other)
    return ours.iso639_3 is not None and (ours.iso639_3, ours.script) == (theirs.iso639_3, theirs.script)


def _script(code: str, found: str) -> str | None:
    # A code without a script means the only script of its language, or no script if the language has several.
    tag = read_code(code)
    if tag is not None and tag.script is not None:
        return tag.script
    facts = _table()[found]
    scripts = {each.script for each in _table().values() if each.iso639_3 == facts.iso639_3}
    return facts.script if len(scripts) == 1 or "_" not in found else None


@functools.cache
def _table() -> dict[str, LanguageFacts]:
    # lang2tax.txt has names instead of codes. Its Arabic is used only for Standard Arabic. Copies of the file differ
    # for Sinhala, whose cell is therefore empty.
    text = (files("adaptx.catalog") / "language_facts.csv").read_text(encoding="utf-8")
    return {
        row["code"]: LanguageFacts(
            row["iso639_3"] or None,
            row["script"] or None,
            int(row["joshi_class"]) if row["joshi_class"] else None,
            float(row["syntactic_distance"]) if row["syntactic_distance"] else None,
        )
        for row in csv.DictReader(text.splitlines())
    }
