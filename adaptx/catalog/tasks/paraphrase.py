"""Paraphrase: do two texts mean the same?"""

from adaptx.catalog.tasks.held_out import held_out
from adaptx.specs import Classification, Rows, Task

_QQP_LABELS = ("not_duplicate", "duplicate")
_QQP_COLUMNS = (("text", "question1"), ("pair", "question2"), ("label", "label"))
_QQP_DEVELOPMENT, _QQP_EVALUATION = held_out(
    Rows("nyu-mll/glue", "qqp", "validation", "en", _QQP_COLUMNS, label_names=_QQP_LABELS, expected=40_430), 2_000
)

QQP = Task(
    "qqp",
    Classification(_QQP_LABELS),
    train=(Rows("nyu-mll/glue", "qqp", "train", "en", _QQP_COLUMNS, label_names=_QQP_LABELS, expected=363_846),),
    development=_QQP_DEVELOPMENT,
    evaluation=_QQP_EVALUATION,
    kind="paraphrase",
    licence="Quora's terms of service",
    citation="Iyer et al. 2017, First Quora Dataset Release: Question Pairs; as in Wang et al. 2018, GLUE, "
    "arXiv:1804.07461",
    description="Do two questions asked on Quora mean the same?",
)

_PAIR_COLUMNS = (("text", "sentence1"), ("pair", "sentence2"), ("label", "label"))
_MRPC_LABELS = ("not_equivalent", "equivalent")

MRPC = Task(
    "mrpc",
    Classification(_MRPC_LABELS),
    train=(Rows("nyu-mll/glue", "mrpc", "train", "en", _PAIR_COLUMNS, label_names=_MRPC_LABELS, expected=3_668),),
    development=(
        Rows("nyu-mll/glue", "mrpc", "validation", "en", _PAIR_COLUMNS, label_names=_MRPC_LABELS, expected=408),
    ),
    evaluation=(Rows("nyu-mll/glue", "mrpc", "test", "en", _PAIR_COLUMNS, label_names=_MRPC_LABELS, expected=1_725),),
    kind="paraphrase",
    licence="research use",
    citation="Dolan and Brockett 2005, Automatically Constructing a Corpus of Sentential Paraphrases; as in Wang et "
    "al. 2018, GLUE, arXiv:1804.07461",
    description="Do two sentences from the news mean the same?",
)

# The label names on the hub are "0" and "1".
_PAWS_LABELS = ("not_paraphrase", "paraphrase")
_PAWS_CITATION = "Zhang et al. 2019, PAWS: Paraphrase Adversaries from Word Scrambling, arXiv:1904.01130"
PAWSX_LANGUAGES = ("de", "en", "es", "fr", "ja", "ko", "zh")


def _pawsx_rows(language: str, split: str, expected: int, parallel_group: str | None = None) -> Rows:
    return Rows(
        "google-research-datasets/paws-x",
        language,
        split,
        language,
        _PAIR_COLUMNS,
        label_names=_PAWS_LABELS,
        expected=expected,
        parallel_group=parallel_group,
    )


PAWSX = Task(
    "pawsx",
    Classification(_PAWS_LABELS),
    train=(_pawsx_rows("en", "train", 49_401),),
    development=(_pawsx_rows("en", "validation", 2_000),),
    evaluation=tuple(_pawsx_rows(language, "test", 2_000, "pawsx") for language in PAWSX_LANGUAGES),
    translated=tuple(_pawsx_rows(language, "train", 49_401) for language in PAWSX_LANGUAGES if language != "en"),
    kind="paraphrase",
    licence="free for any purpose, Google LLC to be named as the source",
    citation="Yang et al. 2019, PAWS-X: A Cross-lingual Adversarial Dataset for Paraphrase Identification, "
    f"arXiv:1908.11828; {_PAWS_CITATION}",
    description="Do two sentences with the same words mean the same? Development and test sets were translated by "
    "professionals. Training rows in languages other than English were translated by machine.",
)

PAWS = Task(
    "paws",
    PAWSX.format,
    train=PAWSX.train,
    development=PAWSX.development,
    evaluation=(_pawsx_rows("en", "test", 2_000),),
    kind="paraphrase",
    licence=PAWSX.licence,
    citation=_PAWS_CITATION,
    description="Do two sentences with the same words mean the same? This is the hand-labelled Wikipedia part of PAWS, "
    "as PAWS-X publishes it in English.",
)
