"""Facts about languages in addition to name and family: script, resources, and distance from English.

`language_facts.csv` has one row per code of `languages.py`. A cell is empty if its source says nothing. The columns:

- iso639_3: the individual language that the data sets mean (for Quechua, Ayacucho's `quy`). The sources of the other
  columns are looked up by this code.
- script: ISO 15924 code, which FLORES-200 writes after the language. For XTREME's codes, the script of XTREME's texts.
- joshi_class: class from 0 (hardly any data) to 5 (most data) of Joshi et al. 2020 (arXiv:2004.09095), from the list
  of languages published with the paper, lang2tax.txt. The list has language names instead of codes. The entry of a
  macrolanguage is used for the member language that data sets mean, and the entry of Arabic only for Standard Arabic.
  If copies of the list differ (Sinhala), the cell is empty.
- syntactic_distance: distance from English in [0, 1]: 1 minus the cosine of the two languages' 103 syntactic features
  in URIEL (Littell et al. 2017). Missing features are filled in from the nearest languages (the set syntax_knn, as in
  lang2vec 1.1.2).
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
    """The facts about a language. A field is None if its source says nothing about the language."""

    iso639_3: str | None
    script: str | None
    joshi_class: int | None
    syntactic_distance: float | None


UNKNOWN = LanguageFacts(None, None, None, None)


def language_facts(code: str) -> LanguageFacts:
    """Return the facts about a language, given any of its codes (`ig`, `ibo`, `ibo_Latn`).

    All fields are None for an unknown language. Only `iso639_3` is known for a language that has an ISO 639-1 code but
    is not in the catalog (`br`).
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

    If the catalog has several codes for the language, the codes in the script that `code` names are preferred. Among
    them, the ISO 639-3 code is returned if the catalog has it, and otherwise the shortest code.
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
    """Return, each once, those of the given codes whose language the catalog does not have."""
    return [code for code in dict.fromkeys(codes) if catalog_code(code) is None]


@functools.cache
def same_language(one: str, other: str) -> bool:
    """Return whether two codes name the same language in the same script (`sw` and `swa`, `zh` and `zho_Hans`)."""
    if one == other:
        return True
    ours, theirs = language_facts(one), language_facts(other)
    return ours.iso639_3 is not None and (ours.iso639_3, ours.script) == (theirs.iso639_3, theirs.script)


def _script(code: str, found: str) -> str | None:
    """Return the script that `code` names, or else the only script of its language in the catalog; None if it has
    several.
    """
    tag = read_code(code)
    if tag is not None and tag.script is not None:
        return tag.script
    facts = _table()[found]
    scripts = {each.script for each in _table().values() if each.iso639_3 == facts.iso639_3}
    return facts.script if len(scripts) == 1 or "_" not in found else None


@functools.cache
def _table() -> dict[str, LanguageFacts]:
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
