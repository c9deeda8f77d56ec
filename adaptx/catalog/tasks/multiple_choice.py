"""Multiple choice: which of the given answers or endings is right?"""

from adaptx.catalog.tasks.held_out import held_out
from adaptx.specs import MultipleChoice, Rows, Task

_KIND = "multiple choice"
_PARQUET = "refs/convert/parquet"

_HELLASWAG_COLUMNS = (("text", "ctx"), ("choices", "endings"), ("label", "label"))
_HELLASWAG_KEYS = ("0", "1", "2", "3")
_HELLASWAG_DEVELOPMENT, _HELLASWAG_EVALUATION = held_out(
    Rows(
        "Rowan/hellaswag",
        "default",
        "validation",
        "en",
        _HELLASWAG_COLUMNS,
        choice_keys=_HELLASWAG_KEYS,
        expected=10_042,
    ),
    500,
)

HELLASWAG = Task(
    "hellaswag",
    MultipleChoice(),
    train=(
        Rows(
            "Rowan/hellaswag",
            "default",
            "train",
            "en",
            _HELLASWAG_COLUMNS,
            choice_keys=_HELLASWAG_KEYS,
            expected=39_905,
        ),
    ),
    development=_HELLASWAG_DEVELOPMENT,
    evaluation=_HELLASWAG_EVALUATION,
    kind=_KIND,
    licence="MIT",
    citation="Zellers et al. 2019, HellaSwag: Can a Machine Really Finish Your Sentence?, arXiv:1905.07830",
    description="Which of four endings continues the text?",
)

_COSMOSQA_COLUMNS = (
    ("text", "context"),
    ("question", "question"),
    ("choices", ("answer0", "answer1", "answer2", "answer3")),
    ("label", "label"),
)


def _cosmosqa_rows(split: str, expected: int) -> Rows:
    return Rows("allenai/cosmos_qa", "default", split, "en", _COSMOSQA_COLUMNS, revision=_PARQUET, expected=expected)


_COSMOSQA_DEVELOPMENT, _COSMOSQA_EVALUATION = held_out(_cosmosqa_rows("validation", 2_985), 200)

COSMOSQA = Task(
    "cosmosqa",
    MultipleChoice(),
    train=(_cosmosqa_rows("train", 25_262),),
    development=_COSMOSQA_DEVELOPMENT,
    evaluation=_COSMOSQA_EVALUATION,
    kind=_KIND,
    licence="see the data set's card",
    citation="Huang et al. 2019, Cosmos QA: Machine Reading Comprehension with Contextual Commonsense Reasoning, "
    "arXiv:1909.00277",
    description="Choose the right one of four answers by reading between the lines of a personal story.",
)

_COMMONSENSEQA_COLUMNS = (("text", "question"), ("choices", "choices.text"), ("label", "answerKey"))
_COMMONSENSEQA_KEYS = ("A", "B", "C", "D", "E")


def _commonsenseqa_rows(split: str, expected: int) -> Rows:
    return Rows(
        "tau/commonsense_qa",
        "default",
        split,
        "en",
        _COMMONSENSEQA_COLUMNS,
        choice_keys=_COMMONSENSEQA_KEYS,
        expected=expected,
    )


_COMMONSENSEQA_DEVELOPMENT, _COMMONSENSEQA_EVALUATION = held_out(_commonsenseqa_rows("validation", 1_221), 100)

COMMONSENSEQA = Task(
    "commonsenseqa",
    MultipleChoice(),
    train=(_commonsenseqa_rows("train", 9_741),),
    development=_COMMONSENSEQA_DEVELOPMENT,
    evaluation=_COMMONSENSEQA_EVALUATION,
    kind=_KIND,
    licence="MIT",
    citation="Talmor et al. 2019, CommonsenseQA: A Question Answering Challenge Targeting Commonsense Knowledge, "
    "arXiv:1811.00937",
    description="Which of five answers to a commonsense question is right?",
)

_SOCIALIQA_COLUMNS = (
    ("text", "context"),
    ("question", "question"),
    ("choices", ("answerA", "answerB", "answerC")),
    ("label", "label"),
)


def _socialiqa_rows(split: str, expected: int) -> Rows:
    return Rows(
        "lighteval/siqa",
        "default",
        split,
        "en",
        _SOCIALIQA_COLUMNS,
        choice_keys=("1", "2", "3"),
        expected=expected,
    )


_SOCIALIQA_DEVELOPMENT, _SOCIALIQA_EVALUATION = held_out(_socialiqa_rows("validation", 1_954), 150)

SOCIALIQA = Task(
    "socialiqa",
    MultipleChoice(),
    train=(_socialiqa_rows("train", 33_410),),
    development=_SOCIALIQA_DEVELOPMENT,
    evaluation=_SOCIALIQA_EVALUATION,
    kind=_KIND,
    licence="see the data set's card",
    citation="Sap et al. 2019, Social IQa: Commonsense Reasoning about Social Interactions, arXiv:1904.09728",
    description="Which of three answers about people's motives and reactions is right?",
)

_COPA_COLUMNS = (
    ("text", "premise"),
    ("question", "question"),
    ("choices", ("choice1", "choice2")),
    ("label", "label"),
)
# The column holds "cause" or "effect". XTREME-R's script (run_xcopa.py) replaces it by these English questions in every
# language.
_COPA_WORDING = (("question", (("cause", "What was the cause?"), ("effect", "What was the effect?"))),)
_COPA_CITATION = (
    "Roemmele et al. 2011, Choice of Plausible Alternatives; as in Wang et al. 2019, SuperGLUE, arXiv:1905.00537"
)


def _copa_rows(split: str, expected: int) -> Rows:
    return Rows("aps/super_glue", "copa", split, "en", _COPA_COLUMNS, wording=_COPA_WORDING, expected=expected)


_COPA_DEVELOPMENT, _COPA_EVALUATION = held_out(_copa_rows("validation", 100), 50)

COPA = Task(
    "copa",
    MultipleChoice(),
    train=(_copa_rows("train", 400),),
    development=_COPA_DEVELOPMENT,
    evaluation=_COPA_EVALUATION,
    kind=_KIND,
    licence="BSD 2-Clause",
    citation=_COPA_CITATION,
    description="Which of two sentences is the cause, or the effect, of the premise?",
)

XCOPA_LANGUAGES = ("et", "ht", "id", "it", "qu", "sw", "ta", "th", "tr", "vi", "zh")

XCOPA = Task(
    "xcopa",
    MultipleChoice(),
    train=COPA.train,
    development=(_copa_rows("validation", 100),),
    evaluation=tuple(
        Rows(
            "cambridgeltl/xcopa",
            language,
            "test",
            language,
            _COPA_COLUMNS,
            wording=_COPA_WORDING,
            expected=500,
            parallel_group="xcopa",
        )
        for language in XCOPA_LANGUAGES
    ),
    kind=_KIND,
    licence="CC BY 4.0",
    citation="Ponti et al. 2020, XCOPA: A Multilingual Dataset for Causal Commonsense Reasoning, arXiv:2005.00333; "
    f"{_COPA_CITATION}",
    description="COPA's test questions in eleven languages. Training rows are English COPA; XTREME-R trains on Social "
    "IQa first.",
)
