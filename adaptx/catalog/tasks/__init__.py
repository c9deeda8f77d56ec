"""Known tasks, one file per kind of task."""

from adaptx.catalog.ccg import ccg_task
from adaptx.catalog.tasks.multiple_choice import COMMONSENSEQA, COPA, COSMOSQA, HELLASWAG, SOCIALIQA, XCOPA
from adaptx.catalog.tasks.nli import (
    AMERICAS_NLI,
    ANLI_PLUS,
    INDONLI,
    KLUE_NLI,
    MNLI,
    NLI,
    RTE,
    SNLI,
    XNLI,
    XNLI_MORE,
)
from adaptx.catalog.tasks.paraphrase import MRPC, PAWS, PAWSX, QQP
from adaptx.catalog.tasks.question_answering import MLQA, SQUAD, SQUAD_V2, TYDIQA, XQUAD, XQUAD_12
from adaptx.catalog.tasks.retrieval import BUCC, LAREQA, LAREQA_OFFICIAL, MEWSLIX, TATOEBA, TATOEBA_R
from adaptx.catalog.tasks.tagging import MASAKHANER2, PANX, UDPOS, UDPOS_R, WIKIANN
from adaptx.catalog.tasks.text import NTREX_MLM, NTREX_SPANS, WIKIPEDIA_MLM, ntrex_mlm, ntrex_spans, wikipedia_mlm
from adaptx.catalog.tasks.topic import SIB200
from adaptx.errors import UserError
from adaptx.specs import Task
from adaptx.specs.near import near

_INTERMEDIATE = (
    SNLI,
    MNLI,
    ANLI_PLUS,
    RTE,
    QQP,
    MRPC,
    PAWS,
    SQUAD,
    SQUAD_V2,
    HELLASWAG,
    COSMOSQA,
    COMMONSENSEQA,
    SOCIALIQA,
    COPA,
    WIKIPEDIA_MLM,
    NTREX_MLM,
    NTREX_SPANS,
)
_TARGET = (
    XNLI,
    XNLI_MORE,
    PAWSX,
    XCOPA,
    UDPOS,
    UDPOS_R,
    PANX,
    WIKIANN,
    XQUAD,
    XQUAD_12,
    MLQA,
    TYDIQA,
    BUCC,
    TATOEBA,
    TATOEBA_R,
    LAREQA,
    LAREQA_OFFICIAL,
    MEWSLIX,
    INDONLI,
    KLUE_NLI,
    AMERICAS_NLI,
    NLI,
    SIB200,
    MASAKHANER2,
)

TASKS: dict[str, Task] = {task.name: task for task in (*_INTERMEDIATE, *_TARGET)}

__all__ = [
    "AMERICAS_NLI",
    "ANLI_PLUS",
    "BUCC",
    "COMMONSENSEQA",
    "COPA",
    "COSMOSQA",
    "HELLASWAG",
    "INDONLI",
    "KLUE_NLI",
    "LAREQA",
    "LAREQA_OFFICIAL",
    "MASAKHANER2",
    "MEWSLIX",
    "MLQA",
    "MNLI",
    "MRPC",
    "NLI",
    "NTREX_MLM",
    "NTREX_SPANS",
    "PANX",
    "PAWS",
    "PAWSX",
    "QQP",
    "RTE",
    "SIB200",
    "SNLI",
    "SOCIALIQA",
    "SQUAD",
    "SQUAD_V2",
    "TASKS",
    "TATOEBA",
    "TATOEBA_R",
    "TYDIQA",
    "UDPOS",
    "UDPOS_R",
    "WIKIANN",
    "WIKIPEDIA_MLM",
    "XCOPA",
    "XNLI",
    "XNLI_MORE",
    "XQUAD",
    "XQUAD_12",
    "find_task",
    "ntrex_mlm",
    "ntrex_spans",
    "wikipedia_mlm",
]


def find_task(name: str) -> Task:
    """Return the task of that name. `ccg` is made from the user's own files.

    Raises:
        UserError: there is no such task, or the files of `ccg` cannot be read.
    """
    if name == "ccg":
        return ccg_task()
    if name not in TASKS:
        raise UserError(f"unknown task {name!r}; near: {near(name, TASKS)}. `adaptx tasks` lists all of them.")
    return TASKS[name]
