"""Natural-language inference: does a premise entail, contradict or leave open a hypothesis?"""

from dataclasses import replace

from adaptx.catalog.tasks.held_out import held_out
from adaptx.specs import Classification, Rows, Task

NLI_LABELS = ("entailment", "neutral", "contradiction")
_NLI = Classification(NLI_LABELS)
_COLUMNS = (("text", "premise"), ("pair", "hypothesis"), ("label", "label"))
# When last seen, the main branch had a loading script. The converted files of this branch need none.
_PARQUET = "refs/convert/parquet"


def _rows(
    hub_id: str,
    config: str,
    split: str,
    language: str,
    expected: int,
    parallel_group: str | None = None,
    revision: str | None = None,
) -> Rows:
    return Rows(
        hub_id,
        config,
        split,
        language,
        _COLUMNS,
        label_names=NLI_LABELS,
        dropped_labels=(-1,),
        revision=revision,
        expected=expected,
        parallel_group=parallel_group,
    )


SNLI = Task(
    "snli",
    _NLI,
    train=(_rows("stanfordnlp/snli", "plain_text", "train", "en", 549_367),),
    development=(_rows("stanfordnlp/snli", "plain_text", "validation", "en", 9_842),),
    evaluation=(_rows("stanfordnlp/snli", "plain_text", "test", "en", 9_824),),
    kind="nli",
    licence="CC BY-SA 4.0",
    citation="Bowman et al. 2015, A large annotated corpus for learning natural language inference, arXiv:1508.05326",
    description="Does the caption entail, contradict or leave open the hypothesis?",
)

_MNLI_DEVELOPMENT, _MNLI_EVALUATION = held_out(_rows("nyu-mll/glue", "mnli", "validation_matched", "en", 9_815), 500)

MNLI = Task(
    "mnli",
    _NLI,
    train=(_rows("nyu-mll/glue", "mnli", "train", "en", 392_702),),
    development=_MNLI_DEVELOPMENT,
    evaluation=_MNLI_EVALUATION,
    kind="nli",
    licence="OANC and others, see the corpus paper",
    citation="Williams et al. 2018, A Broad-Coverage Challenge Corpus for Sentence Understanding, arXiv:1704.05426",
    description="Natural language inference over ten genres of English.",
)

ANLI_PLUS = Task(
    "anli_plus",
    _NLI,
    train=(
        *SNLI.train,
        *MNLI.train,
        _rows("facebook/anli", "plain_text", "train_r1", "en", 16_946),
        _rows("facebook/anli", "plain_text", "train_r2", "en", 45_460),
        _rows("facebook/anli", "plain_text", "train_r3", "en", 100_459),
    ),
    development=(
        *SNLI.development,
        *MNLI.development,
        _rows("facebook/anli", "plain_text", "dev_r1", "en", 1_000),
        _rows("facebook/anli", "plain_text", "dev_r2", "en", 1_000),
        _rows("facebook/anli", "plain_text", "dev_r3", "en", 1_200),
    ),
    evaluation=(_rows("facebook/anli", "plain_text", "test_r3", "en", 1_200),),
    kind="nli",
    licence="CC BY-NC 4.0 (SNLI: CC BY-SA 4.0; MNLI: OANC and others)",
    citation="; ".join(
        ("Nie et al. 2020, Adversarial NLI, arXiv:1910.14599", SNLI.citation, MNLI.citation),
    ),
    description="SNLI, MNLI and the three rounds of ANLI as one task with one head. Every row is drawn equally often; "
    "evaluation is on round 3.",
)

_RTE_LABELS = ("entailment", "not_entailment")
_RTE_COLUMNS = (("text", "sentence1"), ("pair", "sentence2"), ("label", "label"))
_RTE_DEVELOPMENT, _RTE_EVALUATION = held_out(
    Rows("nyu-mll/glue", "rte", "validation", "en", _RTE_COLUMNS, label_names=_RTE_LABELS, expected=277), 50
)

RTE = Task(
    "rte",
    Classification(_RTE_LABELS),
    train=(Rows("nyu-mll/glue", "rte", "train", "en", _RTE_COLUMNS, label_names=_RTE_LABELS, expected=2_490),),
    development=_RTE_DEVELOPMENT,
    evaluation=_RTE_EVALUATION,
    kind="nli",
    licence="research use",
    citation="Dagan et al. 2006, The PASCAL Recognising Textual Entailment Challenge; as in Wang et al. 2018, GLUE, "
    "arXiv:1804.07461",
    description="Does the first text entail the second, or not?",
)

XNLI_LANGUAGES = ("ar", "bg", "de", "el", "en", "es", "fr", "hi", "ru", "sw", "th", "tr", "ur", "vi", "zh")

XNLI = Task(
    "xnli",
    _NLI,
    train=(_rows("facebook/xnli", "en", "train", "en", 392_702),),
    development=(_rows("facebook/xnli", "en", "validation", "en", 2_490),),
    evaluation=tuple(
        _rows("facebook/xnli", language, "test", language, 5_010, parallel_group="xnli") for language in XNLI_LANGUAGES
    ),
    translated=tuple(
        _rows("facebook/xnli", language, "train", language, 392_702) for language in XNLI_LANGUAGES if language != "en"
    ),
    kind="nli",
    licence="CC BY-NC 4.0",
    citation="Conneau et al. 2018, XNLI: Evaluating Cross-lingual Sentence Representations, arXiv:1809.05053",
    description="Natural language inference as in MNLI. The test pairs were translated into 14 languages by "
    "professionals, the training rows by machine.",
)

XNLI_MORE = replace(
    XNLI,
    name="xnli_more",
    evaluation=tuple(
        _rows("facebook/xnli", language, "test", language, 5_010, parallel_group="xnli") for language in ("ko", "my")
    ),
    translated=(),
    licence="CC BY-NC 4.0 (ko: CC BY-SA 4.0)",
    citation="; ".join(
        (
            XNLI.citation,
            "ko: Ham et al. 2020, KorNLI and KorSTS: New Benchmark Datasets for Korean Natural Language "
            "Understanding, arXiv:2004.03289",
            "my: myXNLI",
        )
    ),
    description="XNLI's test pairs in Korean and Burmese, which XNLI itself does not have. They need a local mirror, "
    "because the hub's facebook/xnli lacks them.",
)

INDONLI = Task(
    "indonli",
    _NLI,
    train=(_rows("afaji/indonli", "indonli", "train", "id", 10_330, revision=_PARQUET),),
    development=(_rows("afaji/indonli", "indonli", "validation", "id", 2_197, revision=_PARQUET),),
    evaluation=(_rows("afaji/indonli", "indonli", "test_lay", "id", 2_201, revision=_PARQUET),),
    kind="nli",
    licence="CC BY-SA 4.0",
    citation="Mahendra et al. 2021, IndoNLI, arXiv:2110.14566",
    description="Natural language inference written in Indonesian (the test set by laypeople).",
)

KLUE_NLI = Task(
    "klue_nli",
    _NLI,
    evaluation=(_rows("klue/klue", "nli", "validation", "ko", 3_000),),
    kind="nli",
    licence="CC BY-SA 4.0",
    citation="Park et al. 2021, KLUE: Korean Language Understanding Evaluation, arXiv:2105.09680",
    description="Natural language inference written in Korean (its published validation split).",
)

# Nahuatl and Otomi lack some of the pairs, so their i-th rows do not translate those of the other languages.
_AMERICAS_ROWS = {
    "aym": 750,
    "gn": 750,
    "quy": 750,
    "bzd": 750,
    "cni": 750,
    "hch": 750,
    "nah": 738,
    "oto": 748,
    "shp": 750,
    "tar": 750,
}

AMERICAS_NLI = Task(
    "americas_nli",
    _NLI,
    evaluation=tuple(
        _rows(
            "nala-cub/americas_nli",
            language,
            "test",
            language,
            count,
            parallel_group="americas_nli" if count == 750 else None,
        )
        for language, count in _AMERICAS_ROWS.items()
    ),
    kind="nli",
    licence="CC BY-SA 4.0",
    citation="Ebrahimi et al. 2022, AmericasNLI, arXiv:2104.08726",
    description="XNLI test pairs translated into ten indigenous languages of the Americas.",
)

NLI = replace(
    MNLI,
    name="nli",
    evaluation=(
        *MNLI.evaluation,
        *INDONLI.evaluation,
        *KLUE_NLI.evaluation,
        *(AMERICAS_NLI.rows_in(language) for language in ("aym", "gn", "quy")),
    ),
    licence="CC BY-SA 4.0 (MNLI: OANC and others)",
    citation="; ".join(task.citation for task in (MNLI, INDONLI, KLUE_NLI, AMERICAS_NLI)),
    description="Natural language inference trained on English MNLI, evaluated on sets written or translated in "
    "other languages.",
)
