"""What is known of languages beside name and family: script, resources, distance from English.

`language_facts.csv`, a row for each code of `languages.py`, an empty cell where a source says nothing:

- iso639_3: the individual language that the data sets mean (Quechua: Ayacucho's `quy`), the key of the sources.
- script: ISO 15924, as FLORES-200 writes it behind a code; of XTREME's codes the script its texts are in.
- joshi_class: 0 to 5, from hardly any data to most (Joshi et al. 2020, arXiv:2004.09095, and the list of languages
  published with it, lang2tax.txt). Entries there are names; a macrolanguage's entry stands for the member used here,
  Arabic's for the standard language alone. Where copies of the list differ (Sinhala) the cell is empty.
- syntactic_distance: 1 less the cosine of the two languages' syntactic features in URIEL (Littell et al. 2017), 103 of
  them, missing ones filled in from the nearest languages (its set syntax_knn, as lang2vec 1.1.2 ships it); in [0, 1].
"""

import csv
import functools
from collections.abc import Iterable
from importlib.resources import files
from typing import NamedTuple

from adaptx.catalog.language_codes import read_code

LOW_RESOURCE = (0, 1, 2)
HIGH_RESOURCE = (3, 4, 5)
"""Classes of Joshi et al. that count as low and as high in resources."""


class LanguageFacts(NamedTuple):
    """None where a source says nothing of the language."""

    iso639_3: str | None
    script: str | None
    joshi_class: int | None
    syntactic_distance: float | None


UNKNOWN = LanguageFacts(None, None, None, None)


def language_facts(code: str) -> LanguageFacts:
    """Return the facts of a language by any of its codes (`ig`, `ibo`, `ibo_Latn`); all None for an unknown one.

    A language that only ISO 639-1 has here (`br`) has nothing but its ISO 639-3 code.
    """
    found = catalog_code(code)
    if found is None:
        tag = read_code(code)
        return UNKNOWN if tag is None or tag.name is None else UNKNOWN._replace(iso639_3=tag.language)
    facts = _table()[found]
    return facts if found == code else facts._replace(script=_script(code, found))


@functools.cache
def catalog_code(code: str) -> str | None:
    """Return the code that the catalog has for a language, with the same script where it has that; None if it has none.

    Of several codes of one language the shortest is returned.
    """
    if code in _table():
        return code
    tag = read_code(code)
    if tag is None:
        return None
    # The catalog files Filipino's facts under Tagalog.
    wanted = _table()[tag.language].iso639_3 if tag.language in _table() else tag.language
    known = [each for each, facts in _table().items() if facts.iso639_3 == wanted]
    known.sort(key=lambda each: (each != tag.language, len(each), each))
    alike = [each for each in known if tag.script is None or _table()[each].script == tag.script]
    return next(iter(alike or known), None)


def unknown_languages(codes: Iterable[str]) -> list[str]:
    """Return the codes of which the catalog knows no family, script or distance, each once."""
    return [code for code in dict.fromkeys(codes) if catalog_code(code) is None]


@functools.cache
def same_language(one: str, other: str) -> bool:
    """Return whether two codes name the same language in the same script (`sw` and `swa`, `zh` and `zho_Hans`)."""
    if one == other:
        return True
    ours, theirs = language_facts(one), language_facts(other)
    return ours.iso639_3 is not None and (ours.iso639_3, ours.script) == (theirs.iso639_3, theirs.script)


def _script(code: str, found: str) -> str | None:
    """Return the script that a code names, else the language's; None where it has several and the code names none."""
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
