"""Formats: how a kind of task is encoded, what head it has, its loss, and how predictions are made."""

from adaptx.formats.bitext import BITEXT
from adaptx.formats.classification import CLASSIFICATION
from adaptx.formats.interface import Format
from adaptx.formats.masked_language_model import MASKED_LANGUAGE_MODEL
from adaptx.formats.mining import MINING
from adaptx.formats.multiple_choice import MULTIPLE_CHOICE
from adaptx.formats.question_answering import QUESTION_ANSWERING
from adaptx.formats.retrieval import RETRIEVAL
from adaptx.formats.tagging import TAGGING
from adaptx.specs import (
    Bitext,
    BitextMining,
    Classification,
    MaskedLanguageModel,
    MultipleChoice,
    QuestionAnswering,
    Retrieval,
    Tagging,
    TaskFormat,
)

FORMATS: dict[type[TaskFormat], Format] = {
    Bitext: BITEXT,
    BitextMining: MINING,
    Classification: CLASSIFICATION,
    MaskedLanguageModel: MASKED_LANGUAGE_MODEL,
    MultipleChoice: MULTIPLE_CHOICE,
    QuestionAnswering: QUESTION_ANSWERING,
    Retrieval: RETRIEVAL,
    Tagging: TAGGING,
}


def behaviour(task_format: TaskFormat) -> Format:
    """The behaviour of a task's format."""
    return FORMATS[type(task_format)]
