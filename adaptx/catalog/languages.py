"""Languages by the codes tasks use: English name and family.

Families are Glottolog's top-level ones, with the branch for Indo-European.
"""

from typing import NamedTuple


class Language(NamedTuple):
    name: str
    family: str


LANGUAGES: dict[str, Language] = {
    "ar": Language("Arabic", "Afro-Asiatic"),
    "aym": Language("Aymara", "Aymaran"),
    "de": Language("German", "Indo-European: Germanic"),
    "en": Language("English", "Indo-European: Germanic"),
    "es": Language("Spanish", "Indo-European: Romance"),
    "fi": Language("Finnish", "Uralic"),
    "fr": Language("French", "Indo-European: Romance"),
    "gn": Language("Guarani", "Tupian"),
    "hi": Language("Hindi", "Indo-European: Indo-Aryan"),
    "id": Language("Indonesian", "Austronesian"),
    "it": Language("Italian", "Indo-European: Romance"),
    "ja": Language("Japanese", "Japonic"),
    "ko": Language("Korean", "Koreanic"),
    "pt": Language("Portuguese", "Indo-European: Romance"),
    "quy": Language("Quechua", "Quechuan"),
    "ru": Language("Russian", "Indo-European: Slavic"),
    "sw": Language("Swahili", "Atlantic-Congo"),
    "tr": Language("Turkish", "Turkic"),
    "vi": Language("Vietnamese", "Austroasiatic"),
    "zh": Language("Chinese", "Sino-Tibetan"),
}


def language_name(code: str) -> str:
    """English name of a language code, or the code itself."""
    return LANGUAGES[code].name if code in LANGUAGES else code
