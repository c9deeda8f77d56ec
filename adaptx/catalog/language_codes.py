"""Language codes as people write them (ISO 639-1, 639-2, 639-3, BCP 47 tags, FLORES-200's) to one individual language.

`iso_639.csv` has all 184 languages of ISO 639-1: their two-letter code, the three-letter one of ISO 639-3, the
bibliographic one of ISO 639-2/B where it differs, the English name, and for a macrolanguage (`swa`, Swahili) the member
that data sets mean by it (`swh`).
"""

import csv
import functools
import re
from importlib.resources import files
from typing import NamedTuple

# Codes that ISO 639-1 withdrew and data sets still carry (mC4 writes `iw`).
_WITHDRAWN = {"in": "id", "iw": "he", "ji": "yi", "jw": "jv", "mo": "ro"}
# Regions that stand for a script: these write Chinese in traditional characters.
_TRADITIONAL = ("TW", "HK", "MO")
# Hangul alone, as FLORES-200 has it, and Korean's mixed script, as the catalog has it, are one script here.
_SAME_SCRIPT = {"Hang": "Kore", "Hani": "Hans"}


class Tag(NamedTuple):
    """A code taken apart. language: ISO 639-3 of the individual language. script: ISO 15924, None where none is named.

    name: in English, None where ISO 639-1 has no such language.
    """

    language: str
    script: str | None
    name: str | None


def read_code(code: str) -> Tag | None:
    """Take a code apart: `ig`, `ibo`, `ger`, `pt-BR`, `zh-Hant`, `srp_Cyrl`. None where it is no language code."""
    language, *rest = re.split(r"[-_]", code)
    if not re.fullmatch(r"[A-Za-z]{2,3}", language) or not all(
        re.fullmatch(r"[A-Za-z0-9]{2,8}", part) for part in rest
    ):
        return None
    language = language.lower()
    row = _rows().get(_WITHDRAWN.get(language, language))
    if row is None and len(language) == 2:
        return None
    scripts = [part.title() for part in rest if re.fullmatch(r"[A-Za-z]{4}", part)]
    if row is not None and row["three_letter"] == "zho" and any(part.upper() in _TRADITIONAL for part in rest):
        scripts.append("Hant")
    script = scripts[0] if scripts else None
    individual = language if row is None else row["member"] or row["three_letter"]
    return Tag(individual, _SAME_SCRIPT.get(script or "", script), None if row is None else row["name"])


@functools.cache
def _rows() -> dict[str, dict[str, str]]:
    text = (files("adaptx.catalog") / "iso_639.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    return {row[key]: row for key in ("bibliographic", "three_letter", "two_letter") for row in rows if row[key]}
