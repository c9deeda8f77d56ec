"""Extractive question answering: which span of the context answers the question?"""

from dataclasses import replace

from adaptx.catalog.tasks.held_out import held_out
from adaptx.specs import QuestionAnswering, Rows, Task

SQUAD_COLUMNS = (
    ("question", "question"),
    ("context", "context"),
    ("answers", "answers.text"),
    ("answer_starts", "answers.answer_start"),
)
SQUAD_CITATION = "Rajpurkar et al. 2016, SQuAD: 100,000+ Questions for Machine Comprehension of Text, arXiv:1606.05250"
_METRICS = ("f1", "exact_match")
_KIND = "question answering"


def _rows(hub_id: str, config: str, split: str, language: str, expected: int) -> Rows:
    return Rows(hub_id, config, split, language, SQUAD_COLUMNS, expected=expected)


_SQUAD_TRAIN = (_rows("rajpurkar/squad", "plain_text", "train", "en", 87_599),)
_SQUAD_VALIDATION = _rows("rajpurkar/squad", "plain_text", "validation", "en", 10_570)
_SQUAD_DEVELOPMENT, _SQUAD_EVALUATION = held_out(_SQUAD_VALIDATION, 500)

SQUAD = Task(
    "squad",
    QuestionAnswering(),
    train=_SQUAD_TRAIN,
    development=_SQUAD_DEVELOPMENT,
    evaluation=_SQUAD_EVALUATION,
    metrics=_METRICS,
    kind=_KIND,
    licence="CC BY-SA 4.0",
    citation=SQUAD_CITATION,
    description="Which span of a Wikipedia paragraph answers the question? (SQuAD v1.1)",
)

_SQUAD_V2_DEVELOPMENT, _SQUAD_V2_EVALUATION = held_out(
    _rows("rajpurkar/squad_v2", "squad_v2", "validation", "en", 11_873), 500
)

SQUAD_V2 = Task(
    "squad_v2",
    QuestionAnswering(unanswerable=True),
    train=(_rows("rajpurkar/squad_v2", "squad_v2", "train", "en", 130_319),),
    development=_SQUAD_V2_DEVELOPMENT,
    evaluation=_SQUAD_V2_EVALUATION,
    metrics=("squad_v2_f1", "squad_v2_exact_match"),
    kind=_KIND,
    licence="CC BY-SA 4.0",
    citation="Rajpurkar et al. 2018, Know What You Don't Know: Unanswerable Questions for SQuAD, arXiv:1806.03822",
    description="Which span of a Wikipedia paragraph answers the question, if any does? (SQuAD v2.0)",
)

XQUAD_LANGUAGES = ("en", "es", "de", "el", "ru", "tr", "ar", "vi", "th", "zh", "hi")


def _xquad_rows(language: str) -> Rows:
    rows = _rows("google/xquad", f"xquad.{language}", "validation", language, 1_190)
    return replace(rows, parallel_group="xquad")


XQUAD = Task(
    "xquad",
    QuestionAnswering(),
    train=_SQUAD_TRAIN,
    development=(_SQUAD_VALIDATION,),
    evaluation=tuple(_xquad_rows(language) for language in XQUAD_LANGUAGES),
    metrics=_METRICS,
    kind=_KIND,
    licence="CC BY-SA 4.0",
    citation="Artetxe et al. 2020, On the Cross-lingual Transferability of Monolingual Representations, "
    f"arXiv:1910.11856; {SQUAD_CITATION}",
    description="1,190 questions of SQuAD's development set, translated by professionals. Training rows are SQuAD's, "
    "so the English questions are among the development rows, as in XTREME.",
)

XQUAD_12 = replace(
    XQUAD,
    name="xquad_12",
    evaluation=(*XQUAD.evaluation, _xquad_rows("ro")),
    description=f"{XQUAD.description} The twelve languages are those of XTREME-R: XTREME's and Romanian.",
)

_MLQA_ROWS = {"en": 11_590, "es": 5_253, "de": 4_517, "ar": 5_335, "hi": 4_918, "vi": 5_495, "zh": 5_137}

MLQA = Task(
    "mlqa",
    QuestionAnswering(),
    train=_SQUAD_TRAIN,
    development=(_SQUAD_VALIDATION,),
    evaluation=tuple(
        _rows("google/xtreme", f"MLQA.{language}.{language}", "test", language, count)
        for language, count in _MLQA_ROWS.items()
    ),
    metrics=("mlqa_f1", "mlqa_exact_match"),
    kind=_KIND,
    licence="CC BY-SA 3.0",
    citation="Lewis et al. 2020, MLQA: Evaluating Cross-lingual Extractive Question Answering, arXiv:1910.07475; "
    f"{SQUAD_CITATION}",
    description="Which span of a Wikipedia paragraph answers the question? Question and paragraph are in the same "
    "language; training rows are SQuAD's.",
)

_TYDIQA_ROWS = {
    "en": ("english", 440),
    "ar": ("arabic", 921),
    "bn": ("bengali", 113),
    "fi": ("finnish", 782),
    "id": ("indonesian", 565),
    "ko": ("korean", 276),
    "ru": ("russian", 812),
    "sw": ("swahili", 499),
    "te": ("telugu", 669),
}


def _tydiqa_rows(language: str, split: str, expected: int) -> Rows:
    prefix = f"{_TYDIQA_ROWS[language][0]}-"
    return replace(_rows("google/xtreme", "tydiqa", split, language, expected), starts_with=("id", prefix))


TYDIQA = Task(
    "tydiqa",
    QuestionAnswering(),
    train=(_tydiqa_rows("en", "train", 3_696),),
    development=(_tydiqa_rows("en", "validation", 440),),
    evaluation=tuple(_tydiqa_rows(language, "validation", count) for language, (_, count) in _TYDIQA_ROWS.items()),
    metrics=_METRICS,
    kind=_KIND,
    licence="Apache-2.0",
    citation="Clark et al. 2020, TyDi QA: A Benchmark for Information-Seeking Question Answering in Typologically "
    "Diverse Languages, arXiv:2003.05002",
    description="Which span of a Wikipedia passage answers the question? The questions were written in each language, "
    "not translated (gold passage task). The English development rows are also scored, as in XTREME.",
)
