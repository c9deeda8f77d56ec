"""Retrieval: answers to questions, entities of mentions, and translations of sentences."""

from dataclasses import replace

from adaptx.catalog.tasks.question_answering import SQUAD_CITATION
from adaptx.specs import Bitext, BitextMining, Retrieval, Rows, Task

# The languages of XTREME, and below those that XTREME-R adds: the code that the data set uses and the number of pairs.
_TATOEBA = {
    "es": ("spa", 1_000),
    "fr": ("fra", 1_000),
    "ru": ("rus", 1_000),
    "zh": ("cmn", 1_000),
    "id": ("ind", 1_000),
    "vi": ("vie", 1_000),
    "tr": ("tur", 1_000),
    "fi": ("fin", 1_000),
    "ja": ("jpn", 1_000),
    "it": ("ita", 1_000),
    "pt": ("por", 1_000),
    "hi": ("hin", 1_000),
    "af": ("afr", 1_000),
    "ar": ("ara", 1_000),
    "bg": ("bul", 1_000),
    "bn": ("ben", 1_000),
    "de": ("deu", 1_000),
    "el": ("ell", 1_000),
    "et": ("est", 1_000),
    "eu": ("eus", 1_000),
    "fa": ("pes", 1_000),
    "he": ("heb", 1_000),
    "hu": ("hun", 1_000),
    "jv": ("jav", 205),
    "ka": ("kat", 746),
    "kk": ("kaz", 575),
    "ko": ("kor", 1_000),
    "ml": ("mal", 687),
    "mr": ("mar", 1_000),
    "nl": ("nld", 1_000),
    "sw": ("swh", 390),
    "ta": ("tam", 307),
    "te": ("tel", 234),
    "th": ("tha", 548),
    "tl": ("tgl", 1_000),
    "ur": ("urd", 1_000),
}
_TATOEBA_R = {
    "az": ("aze", 1_000),
    "lt": ("lit", 1_000),
    "pl": ("pol", 1_000),
    "ro": ("ron", 1_000),
    "uk": ("ukr", 1_000),
}


def _tatoeba_rows(languages: dict[str, tuple[str, int]]) -> tuple[Rows, ...]:
    columns = (("query", "sentence2"), ("candidate", "sentence1"))
    return tuple(
        Rows("mteb/tatoeba-bitext-mining", f"{code}-eng", "test", language, columns, expected=count)
        for language, (code, count) in languages.items()
    )


# In XTREME, English sentences are the queries and those of the other language the candidates (Hu et al. 2020, section
# 3.2).
TATOEBA = Task(
    "tatoeba",
    Bitext(),
    evaluation=_tatoeba_rows(_TATOEBA),
    metrics=("accuracy",),
    kind="parallel text",
    licence="CC BY 2.0 FR",
    citation="Artetxe and Schwenk 2019, Massively Multilingual Sentence Embeddings, arXiv:1812.10464",
    description="Find the translation of each English sentence among the sentences of another language.",
)

TATOEBA_R = replace(
    TATOEBA,
    name="tatoeba_r",
    evaluation=_tatoeba_rows({**_TATOEBA, **_TATOEBA_R}),
    description=f"{TATOEBA.description} The 41 languages are those of XTREME-R, whose paper embeds sentences with a "
    "model trained on SQuAD v1.1.",
)

BUCC = Task(
    "bucc",
    BitextMining(),
    evaluation=tuple(
        Rows(
            "mteb/BUCC",
            f"{language}-en",
            "test",
            language,
            (("source", "sentence1"), ("target", "sentence2"), ("gold", "gold")),
            expected=1,
        )
        for language in ("de", "fr", "ru", "zh")
    ),
    metrics=("mining_f1",),
    kind="parallel text",
    licence="not stated",
    citation="Zweigenbaum et al. 2018, Overview of the Third BUCC Shared Task: Spotting Parallel Sentences in "
    "Comparable Corpora",
    description="Which sentences of two text collections, one of them English, translate one another? There is one row "
    "per language, which holds both lists. The threshold is chosen on a part of BUCC's published gold pairs.",
)

_SQUAD_COLUMNS = (("query", "question"), ("passage", "context"), ("answer_starts", "answers.answer_start"))
LAREQA_LANGUAGES = ("ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh")
LAREQA_CANDIDATES = 13_014
"""Number of sentences in the eleven languages, split at the authors' own breaks, according to their README."""


def _xquad_r(hub_id: str, columns: tuple[tuple[str, str], ...]) -> tuple[Rows, ...]:
    return tuple(
        Rows(hub_id, language, "validation", language, columns, expected=1_190, parallel_group="xquad_r")
        for language in LAREQA_LANGUAGES
    )


_XQUAD_R_PASSAGES = (("id", "id"), ("passage", "context"), ("answer_starts", "answers.answer_start"))

LAREQA = Task(
    "lareqa",
    Retrieval(),
    train=(Rows("rajpurkar/squad", "plain_text", "train", "en", _SQUAD_COLUMNS, expected=87_599),),
    development=(Rows("rajpurkar/squad", "plain_text", "validation", "en", _SQUAD_COLUMNS, expected=10_570),),
    evaluation=_xquad_r(
        "google-research-datasets/xquad_r", (("query", "question"), ("gold", "id"), ("cluster", "context"))
    ),
    pool=_xquad_r("google-research-datasets/xquad_r", _XQUAD_R_PASSAGES),
    metrics=("map_at_20",),
    kind="question answering",
    licence="CC BY-SA 4.0",
    citation="Roy et al. 2020, LAReQA: Language-Agnostic Answer Retrieval from a Multilingual Pool, "
    f"arXiv:2004.05484; {SQUAD_CITATION}",
    description="Find, among the sentences of eleven languages, those that answer a question in any of these languages "
    "(XQuAD-R). Training rows are SQuAD v1.1's, whose development rows include the English questions. The hub's files "
    "do not say where sentences end, so a rule splits the passages; `lareqa_official` uses the authors' breaks.",
)

LAREQA_OFFICIAL = replace(
    LAREQA,
    name="lareqa_official",
    pool=_xquad_r("google-research-datasets/lareqa", (*_XQUAD_R_PASSAGES, ("sentence_breaks", "sentence_breaks"))),
    description="LAReQA with its authors' 13,014 candidates. It needs a local mirror with the authors' files "
    "(github.com/google-research-datasets/lareqa, xquad-r), which are not on the hub.",
)

# Numbers of rows in the release of 18 May 2022, from its authors' page.
_MEWSLIX_ROWS = {
    "ar": 1_501,
    "de": 1_551,
    "en": 1_490,
    "es": 1_552,
    "fa": 458,
    "ja": 1_519,
    "pl": 1_562,
    "ro": 672,
    "ta": 1_567,
    "tr": 1_215,
    "uk": 1_537,
}
_PAIR_COLUMNS = (("query", "mention"), ("candidate", "entity"))

MEWSLIX = Task(
    "mewslix",
    Retrieval(),
    train=(Rows("izhx/mewsli-x", "wikipedia_pairs", "train", "en", _PAIR_COLUMNS, expected=167_719),),
    development=(Rows("izhx/mewsli-x", "wikipedia_pairs", "validation", "en", _PAIR_COLUMNS, expected=14_051),),
    evaluation=tuple(
        Rows("izhx/mewsli-x", language, "test", language, (("query", "mention"), ("gold", "entity_id")), expected=count)
        for language, count in _MEWSLIX_ROWS.items()
    ),
    pool=(
        Rows(
            "izhx/mewsli-x",
            "candidate_entities",
            "test",
            "mul",
            (("id", "entity_id"), ("candidate", "description")),
            expected=1_003_893,
        ),
    ),
    metrics=("mewslix_map_at_20",),
    kind="entity linking",
    licence="Apache-2.0 (text of Wikipedia and WikiNews under their own)",
    citation="Ruder et al. 2021, XTREME-R, arXiv:2104.07412",
    description="Find the entity to which a mention in a news text refers, among descriptions of a million entities, "
    "each in one of 50 languages. Training rows are from English Wikipedia.",
)
