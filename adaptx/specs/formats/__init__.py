"""Task formats: what a row holds and what is predicted.

`adaptx.formats` has their behaviour: encoding rows, computing losses and reading predictions.
"""

from adaptx.specs.formats.bitext import Bitext, BitextMining
from adaptx.specs.formats.classification import Classification
from adaptx.specs.formats.corrupted_text import MaskedLanguageModel, SpanCorruption
from adaptx.specs.formats.multiple_choice import MultipleChoice
from adaptx.specs.formats.question_answering import QuestionAnswering
from adaptx.specs.formats.retrieval import CandidateText, Retrieval
from adaptx.specs.formats.tagging import Tagging

TaskFormat = (
    Classification
    | MultipleChoice
    | Tagging
    | QuestionAnswering
    | Retrieval
    | Bitext
    | BitextMining
    | MaskedLanguageModel
    | SpanCorruption
)

__all__ = [
    "Bitext",
    "BitextMining",
    "CandidateText",
    "Classification",
    "MaskedLanguageModel",
    "MultipleChoice",
    "QuestionAnswering",
    "Retrieval",
    "SpanCorruption",
    "Tagging",
    "TaskFormat",
]
