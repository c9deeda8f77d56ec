"""Known tasks as plain values: where their rows lie, what the columns mean, licence and source."""

import dataclasses

from adaptx.catalog.near import near
from adaptx.specs import Classification, Retrieval, Rows, Task

NLI_LABELS = ("entailment", "neutral", "contradiction")
_NLI = Classification(NLI_LABELS)
_NLI_COLUMNS = (("text", "premise"), ("pair", "hypothesis"), ("label", "label"))


def _nli_rows(hub_id: str, config: str, split: str, language: str, expected: int, **more: object) -> Rows:
    rows = Rows(hub_id, config, split, language, _NLI_COLUMNS, NLI_LABELS, dropped_labels=(-1,), expected=expected)
    return dataclasses.replace(rows, **more)  # pyright: ignore[reportArgumentType]


SNLI = Task(
    "snli",
    _NLI,
    train=(_nli_rows("stanfordnlp/snli", "plain_text", "train", "en", 549_367),),
    development=(_nli_rows("stanfordnlp/snli", "plain_text", "validation", "en", 9_842),),
    evaluation=(_nli_rows("stanfordnlp/snli", "plain_text", "test", "en", 9_824),),
    kind="nli",
    licence="CC BY-SA 4.0",
    citation="Bowman et al. 2015, A large annotated corpus for learning natural language inference, arXiv:1508.05326",
    description="Does the caption entail, contradict or leave open the hypothesis?",
)

# Development and evaluation are two slices of the one matched set, so that nothing is selected on scored rows.
MNLI = Task(
    "mnli",
    _NLI,
    train=(_nli_rows("nyu-mll/glue", "mnli", "train", "en", 392_702),),
    development=(_nli_rows("nyu-mll/glue", "mnli", "validation_matched", "en", 500, stop=500),),
    evaluation=(_nli_rows("nyu-mll/glue", "mnli", "validation_matched", "en", 9_315, first=500),),
    kind="nli",
    licence="OANC and others, see the corpus paper",
    citation="Williams et al. 2018, A Broad-Coverage Challenge Corpus for Sentence Understanding, arXiv:1704.05426",
    description="Natural language inference over ten genres of English.",
)

INDONLI = Task(
    "indonli",
    _NLI,
    train=(_nli_rows("afaji/indonli", "indonli", "train", "id", 10_330),),
    development=(_nli_rows("afaji/indonli", "indonli", "validation", "id", 2_197),),
    evaluation=(_nli_rows("afaji/indonli", "indonli", "test_lay", "id", 2_201),),
    kind="nli",
    licence="CC BY-SA 4.0",
    citation="Mahendra et al. 2021, IndoNLI, arXiv:2110.14566",
    description="Natural language inference written in Indonesian (test: by laypeople).",
)

KLUE_NLI = Task(
    "klue_nli",
    _NLI,
    evaluation=(_nli_rows("klue/klue", "nli", "validation", "ko", 3_000),),
    kind="nli",
    licence="CC BY-SA 4.0",
    citation="Park et al. 2021, KLUE: Korean Language Understanding Evaluation, arXiv:2105.09680",
    description="Natural language inference written in Korean (its published validation split).",
)

AMERICAS_NLI = Task(
    "americas_nli",
    _NLI,
    evaluation=tuple(
        _nli_rows("nala-cub/americas_nli", config, "test", config, 750, parallel_group="americas_nli")
        for config in ("aym", "gn", "quy")
    ),
    kind="nli",
    licence="CC BY-SA 4.0",
    citation="Ebrahimi et al. 2022, AmericasNLI, arXiv:2104.08726",
    description="XNLI test pairs translated into indigenous languages of the Americas (here Aymara, Guarani, Quechua).",
)

NLI = dataclasses.replace(
    MNLI,
    name="nli",
    evaluation=MNLI.evaluation + INDONLI.evaluation + KLUE_NLI.evaluation + AMERICAS_NLI.evaluation,
    licence="CC BY-SA 4.0 (MNLI: OANC and others)",
    citation="; ".join(task.citation for task in (MNLI, INDONLI, KLUE_NLI, AMERICAS_NLI)),
    description="Natural language inference trained on English MNLI, evaluated on sets written or translated in "
    "other languages.",
)

_SIB_LABELS = ("science/technology", "travel", "politics", "sports", "health", "entertainment", "geography")
_SIB_LANGUAGES = {
    "en": "eng_Latn",
    "id": "ind_Latn",
    "ko": "kor_Hang",
    "aym": "ayr_Latn",
    "gn": "grn_Latn",
    "quy": "quy_Latn",
    "es": "spa_Latn",
    "de": "deu_Latn",
    "zh": "zho_Hans",
    "sw": "swh_Latn",
    "tr": "tur_Latn",
    "ar": "arb_Arab",
    "hi": "hin_Deva",
}


def _sib_rows(language: str, split: str, expected: int) -> Rows:
    columns = (("text", "text"), ("label", "category"))
    return Rows("Davlan/sib200", _SIB_LANGUAGES[language], split, language, columns, expected=expected,
                parallel_group="sib200")  # fmt: skip


SIB200 = Task(
    "sib200",
    Classification(_SIB_LABELS),
    train=(_sib_rows("en", "train", 701),),
    development=(_sib_rows("en", "validation", 99),),
    evaluation=tuple(_sib_rows(language, "test", 204) for language in _SIB_LANGUAGES),
    kind="topic",
    licence="Apache-2.0 (text CC BY-SA 4.0)",
    citation="Adelani et al. 2024, SIB-200, arXiv:2309.07445",
    description="Topic of a sentence, one of seven; the same sentences in every language.",
)

_TATOEBA_LANGUAGES = {
    "es": "spa",
    "fr": "fra",
    "ru": "rus",
    "zh": "cmn",
    "id": "ind",
    "vi": "vie",
    "tr": "tur",
    "fi": "fin",
    "ja": "jpn",
    "it": "ita",
    "pt": "por",
    "hi": "hin",
}

# XTREME searches the English sentences' neighbours among those of the other language (Hu et al. 2020, section 3.2).
TATOEBA = Task(
    "tatoeba",
    Retrieval(),
    evaluation=tuple(
        Rows("mteb/tatoeba-bitext-mining", f"{code}-eng", "test", language,
             (("query", "sentence2"), ("candidate", "sentence1")), expected=1_000)
        for language, code in _TATOEBA_LANGUAGES.items()
    ),
    metrics=("accuracy",),
    kind="parallel text",
    licence="CC BY 2.0 FR",
    citation="Artetxe and Schwenk 2019, Massively Multilingual Sentence Embeddings, arXiv:1812.10464",
    description="Find each English sentence's translation among a language's sentences.",
)  # fmt: skip

TASKS: dict[str, Task] = {
    task.name: task for task in (SNLI, MNLI, INDONLI, KLUE_NLI, AMERICAS_NLI, NLI, SIB200, TATOEBA)
}


def find_task(name: str) -> Task:
    """The task of that name.

    Raises:
        ValueError: unknown; near names are listed.
    """
    if name not in TASKS:
        raise ValueError(f"unknown task {name!r}; near: {near(name, TASKS)}. `adaptx tasks` lists all of them.")
    return TASKS[name]
