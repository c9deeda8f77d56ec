"""Parsing of the language codes that people write (ISO 639-1, 639-2, 639-3, BCP 47, FLORES-200).

`iso_639.csv` lists the 184 languages of ISO 639-1. Its columns are the two-letter code, the three-letter code of ISO
639-3, the code of ISO 639-2/B if that differs, the English name and, for a macrolanguage (`swa`, Swahili), the member
language that data sets mean by it (`swh`).
"""

import csv
import functools
import re
from importlib.resources import files
from typing import NamedTuple

# Codes that ISO 639-1 has withdrawn and that data sets still use (mC4 writes `iw`).
_WITHDRAWN = {"in": "id", "iw": "he", "ji": "yi", "jw": "jv", "mo": "ro"}
# Regions that write Chinese in traditional characters, so that the region implies the script.
_TRADITIONAL = ("TW", "HK", "MO")
# Scripts that count as the same one. FLORES-200 writes Hangul (Hang), and the catalog Korean's mixed script (Kore).
_SAME_SCRIPT = {"Hang": "Kore", "Hani": "Hans"}


class Tag(NamedTuple):
    """The parts of a language code.

    Attributes:
        language: ISO 639-3 code of the individual language.
        script: ISO 15924 code; None if the code names no script.
        name: English name; None if the language has no ISO 639-1 code.
    """

    language: str
    script: str | None
    name: str | None


def read_code(code: str) -> Tag | None:
    """Return the parts of a language code such as `ig`, `ibo`, `ger`, `pt-BR`, `zh-Hant` or `srp_Cyrl`.

    The result is None if the text is not a language code.
    """
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
