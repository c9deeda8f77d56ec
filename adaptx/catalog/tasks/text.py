"""Plain text in many languages, for masked language modelling and span corruption."""

from dataclasses import replace

from adaptx.errors import UserError
from adaptx.specs import MaskedLanguageModel, Rows, SpanCorruption, Task
from adaptx.specs.near import near

XTREME_LANGUAGES = (
    "af", "ar", "bg", "bn", "de", "el", "en", "es", "et", "eu", "fa", "fi", "fr", "he", "hi", "hu", "id", "it", "ja",
    "jv", "ka", "kk", "ko", "ml", "mr", "ms", "my", "nl", "pt", "ru", "sw", "ta", "te", "th", "tl", "tr", "ur", "vi",
    "yo", "zh",
)  # fmt: skip
"""The 40 languages of XTREME (Hu et al. 2020, arXiv:2003.11080)."""

_TEXT = (("text", "text"),)
_METRICS = ("masked_accuracy",)
_WIKIPEDIA_DEVELOPMENT = 100
# NTREX has one split. It is cut at the same rows in every language, so that no translation of a scored sentence is
# trained on.
_NTREX_ROWS, _NTREX_TRAIN, _NTREX_SCORED = 1_997, 1_500, 1_750

# Configs on the hub. The files of the authors' repository have other names (`eng`, `zho-CN`).
_NTREX_CONFIGS = {
    "af": "afr_Latn", "am": "amh_Ethi", "ar": "arb_Arab", "az": "aze_Latn", "bn": "ben_Beng", "bg": "bul_Cyrl",
    "cy": "cym_Latn", "de": "deu_Latn", "el": "ell_Grek", "en": "eng_Latn", "et": "est_Latn", "eu": "eus_Latn",
    "fa": "fas_Arab", "fil": "fil_Latn", "fi": "fin_Latn", "fr": "fra_Latn", "he": "heb_Hebr", "hi": "hin_Deva",
    "hu": "hun_Latn", "id": "ind_Latn", "it": "ita_Latn", "ja": "jpn_Jpan", "ko": "kor_Hang", "mr": "mar_Deva",
    "nl": "nld_Latn", "pl": "pol_Latn", "pt": "por_Latn", "ro": "ron_Latn", "ru": "rus_Cyrl", "es": "spa_Latn",
    "sw": "swa_Latn", "ta": "tam_Taml", "te": "tel_Telu", "th": "tha_Thai", "tr": "tur_Latn", "uk": "ukr_Cyrl",
    "ur": "urd_Arab", "vi": "vie_Latn", "zh": "zho_Hans",
}  # fmt: skip


def wikipedia_mlm(*languages: str) -> Task:
    """Return the task of masked language modelling on Wikipedia's articles in these languages (Wikipedia's codes).

    Without arguments, the languages are the 40 of XTREME. The first 100 articles of each language are development rows.
    """
    every = [
        Rows("wikimedia/wikipedia", f"20231101.{language}", "train", language, _TEXT)
        for language in languages or XTREME_LANGUAGES
    ]
    return Task(
        _name("wikipedia_mlm", languages),
        MaskedLanguageModel(),
        train=tuple(replace(rows, first=_WIKIPEDIA_DEVELOPMENT) for rows in every),
        development=tuple(
            replace(rows, stop=_WIKIPEDIA_DEVELOPMENT, expected=_WIKIPEDIA_DEVELOPMENT) for rows in every
        ),
        metrics=_METRICS,
        kind="text",
        licence="CC BY-SA and GFDL",
        citation="Wikimedia Foundation, Wikimedia Downloads, dumps of 1 November 2023",
        description="Fill in masked words of Wikipedia articles.",
    )


def ntrex_mlm(*languages: str) -> Task:
    """Return the task of masked language modelling on news text, with the same sentences in each of these languages.

    Without arguments, the languages are the 39 that the catalog has for NTREX.

    Raises:
        UserError: the catalog has no NTREX text in a language.
    """
    for language in languages:
        if language not in _NTREX_CONFIGS:
            raise UserError(f"ntrex_mlm has no {language!r}; near: {near(language, _NTREX_CONFIGS)}")
    every = [
        Rows("davidstap/NTREX", _NTREX_CONFIGS[language], "test", language, _TEXT, parallel_group="ntrex")
        for language in languages or _NTREX_CONFIGS
    ]
    return Task(
        _name("ntrex_mlm", languages),
        MaskedLanguageModel(),
        train=_slices(every, 0, _NTREX_TRAIN),
        development=_slices(every, _NTREX_TRAIN, _NTREX_SCORED),
        evaluation=_slices(every, _NTREX_SCORED, _NTREX_ROWS),
        metrics=_METRICS,
        kind="text",
        licence="CC BY-SA 4.0",
        citation="Federmann et al. 2022, NTREX-128: News Test References for MT Evaluation of 128 Languages",
        description="Fill in masked words of news sentences. The sentences are the same in every language.",
    )


def ntrex_spans(*languages: str) -> Task:
    """Return the task of T5's span corruption on the rows of `ntrex_mlm`.

    Raises:
        UserError: the catalog has no NTREX text in a language.
    """
    return replace(
        ntrex_mlm(*languages),
        name=_name("ntrex_spans", languages),
        format=SpanCorruption(),
        description="Write the dropped spans of news sentences. The sentences are the same in every language.",
    )


def _name(name: str, languages: tuple[str, ...]) -> str:
    return "_".join((name, *languages))


def _slices(every: list[Rows], first: int, stop: int) -> tuple[Rows, ...]:
    return tuple(replace(rows, first=first, stop=stop, expected=stop - first) for rows in every)


WIKIPEDIA_MLM = wikipedia_mlm()
NTREX_MLM = ntrex_mlm()
NTREX_SPANS = ntrex_spans()
