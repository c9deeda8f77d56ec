"""Tagging, with one tag per word: parts of speech and named entities."""

from adaptx.specs import Rows, Tagging, Task

UPOS_LABELS = (
    "ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "INTJ", "NOUN", "NUM",
    "PART", "PRON", "PROPN", "PUNCT", "SCONJ", "SYM", "VERB", "X",
)  # fmt: skip
NER_LABELS = ("O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC")
MASAKHANER_LABELS = (*NER_LABELS, "B-DATE", "I-DATE")
_POS_COLUMNS = (("tokens", "tokens"), ("tags", "pos_tags"))
_NER_COLUMNS = (("tokens", "tokens"), ("tags", "ner_tags"))
_UD_CITATION = "Nivre et al. 2020, Universal Dependencies v2, arXiv:2004.10643"
_UD_LICENCE = "each treebank's own; most CC BY-SA 4.0, some non-commercial"

# Name of the language in the configs of google/xtreme, and number of test rows from the data set's card (UD 2.5).
_UDPOS = {
    "af": ("Afrikaans", 425),
    "ar": ("Arabic", 1_680),
    "bg": ("Bulgarian", 1_116),
    "de": ("German", 22_458),
    "el": ("Greek", 2_809),
    "en": ("English", 5_440),
    "es": ("Spanish", 3_147),
    "et": ("Estonian", 3_760),
    "eu": ("Basque", 1_799),
    "fa": ("Persian", 600),
    "fi": ("Finnish", 4_422),
    "fr": ("French", 9_465),
    "he": ("Hebrew", 491),
    "hi": ("Hindi", 2_684),
    "hu": ("Hungarian", 449),
    "id": ("Indonesian", 1_557),
    "it": ("Italian", 3_518),
    "ja": ("Japanese", 2_372),
    "kk": ("Kazakh", 1_047),
    "ko": ("Korean", 4_276),
    "mr": ("Marathi", 47),
    "nl": ("Dutch", 1_471),
    "pt": ("Portuguese", 2_681),
    "ru": ("Russian", 11_336),
    "ta": ("Tamil", 120),
    "te": ("Telugu", 146),
    "th": ("Thai", 1_000),
    "tl": ("Tagalog", 55),
    "tr": ("Turkish", 4_785),
    "ur": ("Urdu", 535),
    "vi": ("Vietnamese", 800),
    "yo": ("Yoruba", 100),
    "zh": ("Chinese", 5_528),
}


def _pos_rows(hub_id: str, config: str, split: str, language: str, expected: int | None) -> Rows:
    return Rows(hub_id, config, split, language, _POS_COLUMNS, label_names=UPOS_LABELS, expected=expected)


UDPOS = Task(
    "udpos",
    Tagging(UPOS_LABELS),
    train=(_pos_rows("google/xtreme", "udpos.English", "train", "en", 21_253),),
    development=(_pos_rows("google/xtreme", "udpos.English", "validation", "en", 3_974),),
    evaluation=tuple(
        _pos_rows("google/xtreme", f"udpos.{name}", "test", language, count)
        for language, (name, count) in _UDPOS.items()
    ),
    metrics=("tag_f1", "token_accuracy"),
    kind="part of speech",
    licence=_UD_LICENCE,
    citation=f"{_UD_CITATION}; as in Hu et al. 2020, XTREME, arXiv:2003.11080",
    description="The universal part of speech of each word, in XTREME's 33 languages.",
)

UDPOS_R = Task(
    "udpos_r",
    Tagging(UPOS_LABELS),
    train=(_pos_rows("izhx/xtreme-r-udpos", "en", "train", "en", None),),
    development=(_pos_rows("izhx/xtreme-r-udpos", "en", "validation", "en", None),),
    evaluation=tuple(
        _pos_rows("izhx/xtreme-r-udpos", language, "test", language, None)
        for language in (*_UDPOS, "lt", "pl", "uk", "wo", "ro")
    ),
    metrics=("tag_f1", "token_accuracy"),
    kind="part of speech",
    licence=_UD_LICENCE,
    citation=f"{_UD_CITATION}; as in Ruder et al. 2021, XTREME-R, arXiv:2104.07412",
    description="The universal part of speech of each word, in XTREME-R's 38 languages (treebanks of UD 2.7). The "
    "columns are assumed to have the names that google/xtreme gives them.",
)

_WIKIANN_CITATION = (
    "Pan et al. 2017, Cross-lingual Name Tagging and Linking for 282 Languages; splits of Rahimi et al. 2019, "
    "Massively Multilingual Transfer for NER, arXiv:1902.00193"
)
# Languages have 10,000 test rows except those in `_FEWER_ROWS`.
_PANX_LANGUAGES = (
    "ar", "he", "vi", "id", "jv", "ms", "tl", "eu", "ml", "ta", "te", "af", "nl", "en", "de", "el", "bn", "hi", "mr",
    "ur", "fa", "fr", "it", "pt", "es", "bg", "ru", "ja", "ka", "ko", "th", "sw", "yo", "my", "zh", "kk", "tr", "et",
    "fi", "hu",
)  # fmt: skip
_FEWER_ROWS = {
    **dict.fromkeys(("ms", "tl", "ml", "ta", "te", "af", "bn", "hi", "mr", "ur", "sw", "kk", "az"), 1_000),
    **dict.fromkeys(("jv", "yo", "my", "qu", "pa", "gu"), 100),
}


def _ner_rows(hub_id: str, config: str, split: str, language: str, expected: int) -> Rows:
    return Rows(hub_id, config, split, language, _NER_COLUMNS, label_names=NER_LABELS, expected=expected)


PANX = Task(
    "panx",
    Tagging(NER_LABELS),
    train=(_ner_rows("google/xtreme", "PAN-X.en", "train", "en", 20_000),),
    development=(_ner_rows("google/xtreme", "PAN-X.en", "validation", "en", 10_000),),
    evaluation=tuple(
        _ner_rows("google/xtreme", f"PAN-X.{language}", "test", language, _FEWER_ROWS.get(language, 10_000))
        for language in _PANX_LANGUAGES
    ),
    metrics=("entity_f1",),
    kind="named entities",
    licence="not stated",
    citation=f"{_WIKIANN_CITATION}; as in Hu et al. 2020, XTREME, arXiv:2003.11080",
    description="Persons, organisations and places in Wikipedia sentences, labelled from links, in XTREME's 40 "
    "languages.",
)

WIKIANN = Task(
    "wikiann",
    Tagging(NER_LABELS),
    train=(_ner_rows("unimelb-nlp/wikiann", "en", "train", "en", 20_000),),
    development=(_ner_rows("unimelb-nlp/wikiann", "en", "validation", "en", 10_000),),
    evaluation=tuple(
        _ner_rows("unimelb-nlp/wikiann", language, "test", language, _FEWER_ROWS.get(language, 10_000))
        for language in (*_PANX_LANGUAGES, "qu", "pl", "uk", "az", "lt", "pa", "gu", "ro")
    ),
    metrics=("entity_f1",),
    kind="named entities",
    licence="not stated",
    citation=f"{_WIKIANN_CITATION}; as in Ruder et al. 2021, XTREME-R, arXiv:2104.07412",
    description="Persons, organisations and places in Wikipedia sentences, labelled from links, in XTREME-R's 48 "
    "languages.",
)

# Numbers of test rows.
_MASAKHANER2_ROWS = {
    "bam": 1_274, "bbj": 966, "ewe": 1_001, "fon": 1_228, "hau": 1_633, "ibo": 2_181, "kin": 2_235, "lug": 1_412,
    "luo": 1_474, "mos": 1_294, "nya": 1_785, "pcm": 1_613, "sna": 1_773, "swa": 1_883, "tsn": 996, "twi": 1_211,
    "wol": 1_312, "xho": 1_633, "yor": 1_964, "zul": 1_670,
}  # fmt: skip


def _masakhaner2_rows(language: str, split: str, expected: int) -> Rows:
    return Rows(
        "masakhane/masakhaner2",
        language,
        split,
        language,
        _NER_COLUMNS,
        label_names=MASAKHANER_LABELS,
        # When last seen, the main branch had a loading script. The converted files of this branch need none.
        revision="refs/convert/parquet",
        expected=expected,
    )


MASAKHANER2 = Task(
    "masakhaner2",
    Tagging(MASAKHANER_LABELS),
    train=(_masakhaner2_rows("pcm", "train", 5_646),),
    development=(_masakhaner2_rows("pcm", "validation", 806),),
    evaluation=tuple(_masakhaner2_rows(language, "test", count) for language, count in _MASAKHANER2_ROWS.items()),
    metrics=("entity_f1",),
    kind="named entities",
    licence="CC BY-NC 4.0",
    citation="Adelani et al. 2022, MasakhaNER 2.0: Africa-centric Transfer Learning for Named Entity Recognition, "
    "arXiv:2210.12391",
    description="Persons, organisations, places and dates in news of 20 African languages. There are no English rows, "
    "so the source language is Nigerian Pidgin. PAN-X has no dates, so heads of the two tasks are not interchangeable.",
)
