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
from importlib.resources import files
from typing import NamedTuple

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
    """The facts of a language by the code that tasks use; all None for an unknown code."""
    return _table().get(code, UNKNOWN)


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
