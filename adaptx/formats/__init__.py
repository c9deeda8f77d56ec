"""Task formats. Each one defines a kind of task: how its rows are encoded, its head, its loss and its predictions."""

from adaptx.formats.bitext import BITEXT
from adaptx.formats.classification import CLASSIFICATION
from adaptx.formats.interface import Format
from adaptx.formats.masked_language_model import MASKED_LANGUAGE_MODEL
from adaptx.formats.mining import MINING
from adaptx.formats.multiple_choice import MULTIPLE_CHOICE
from adaptx.formats.question_answering import QUESTION_ANSWERING
from adaptx.formats.retrieval import RETRIEVAL
from adaptx.formats.tagging import TAGGING
from adaptx.formats.text.classification import TEXT_CLASSIFICATION
from adaptx.formats.text.multiple_choice import TEXT_MULTIPLE_CHOICE
from adaptx.formats.text.question_answering import TEXT_QUESTION_ANSWERING
from adaptx.formats.text.span_corruption import TEXT_SPAN_CORRUPTION
from adaptx.formats.text.tagging import TEXT_TAGGING
from adaptx.specs import (
    Bitext,
    BitextMining,
    Classification,
    Framing,
    Hidden,
    MaskedLanguageModel,
    MultipleChoice,
    QuestionAnswering,
    Retrieval,
    SpanCorruption,
    Tagging,
    TaskFormat,
    Text,
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
"""The behaviour of each format under the framing `Hidden`, which reads the backbone's hidden states."""

TEXT_FORMATS: dict[type[TaskFormat], Format] = {
    Classification: TEXT_CLASSIFICATION,
    MultipleChoice: TEXT_MULTIPLE_CHOICE,
    QuestionAnswering: TEXT_QUESTION_ANSWERING,
    SpanCorruption: TEXT_SPAN_CORRUPTION,
    Tagging: TEXT_TAGGING,
}
"""The behaviour of each format under the framing `Text`, in which the backbone reads a prompt and gives an answer."""

HIDDEN = Hidden()


def behaviour(task_format: TaskFormat, framing: Framing = HIDDEN) -> Format:
    """Return a task format's functions for encoding, training and decoding under a framing."""
    formats = TEXT_FORMATS if isinstance(framing, Text) else FORMATS
    return formats[type(task_format)]
