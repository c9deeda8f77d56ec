"""Extractive question answering."""

from collections.abc import Mapping
from typing import Any, ClassVar

from adaptx.specs.checked import spec
from adaptx.specs.formats.facts import AsText, NotAsText, Roles, Row
from adaptx.specs.formats.rows import is_whole, no_text, no_texts
from adaptx.specs.model import ModelFamily
from adaptx.specs.ranges import Count, Natural
from adaptx.specs.text import Generate

NO_ANSWER_THRESHOLD = 0.5
"""Probability of "no answer" above which a predicted answer is dropped.

The default of SQuAD's script is 1.0, which never drops an answer. With 0.5, an answer is dropped if "no answer" is more
likely, so no labelled rows are needed to tune the threshold.
"""
NO_ANSWER = "no answer"
"""Class name of a missing answer."""


@spec(kw_only=True)
class QuestionAnswering:
    """The span of the context that answers the question.

    Roles: `question`, `context`, `answers` (a list) and, for training rows, `answer_starts` (character offsets). A
    context that is longer than the model's input is read in overlapping windows.

    Attributes:
        unanswerable: whether some questions have no answer in their context. Their rows have no gold answers.
        stride: number of tokens that neighbouring windows share. None means a third of a window, but at most 128.
        question_tokens: maximum number of tokens of a question. Longer questions are cut.
        answer_tokens: maximum number of tokens of a predicted answer.
        n_best: in each window, the `n_best` most probable starts are combined with the `n_best` most probable ends.
    """

    unanswerable: bool = False
    stride: Natural | None = None
    question_tokens: Count = 64
    answer_tokens: Count = 30
    n_best: Count = 20

    labels: ClassVar[tuple[str, ...]] = ()
    row_kinds: ClassVar[tuple[Roles, ...]] = (Roles(("question", "context", "answers"), trained=("answer_starts",)),)
    text_roles: ClassVar[tuple[str, ...]] = ("question", "context")
    list_roles: ClassVar[tuple[str, ...]] = ("answers", "answer_starts")
    gold_roles: ClassVar[tuple[str, ...]] = ("answers", "answer_starts")
    shared_roles: ClassVar[tuple[str, ...]] = ("context",)
    is_trained: ClassVar[bool] = True
    embeds: ClassVar[bool] = False
    ranks_pool: ClassVar[bool] = False
    needs_places: ClassVar[bool] = True
    # A question and a paragraph of five to six sentences.
    texts_per_row: ClassVar[int] = 6
    sequences_per_item: ClassVar[int] = 1
    as_text: ClassVar[AsText | NotAsText] = AsText(("question", "context"), (Generate,))
    hidden_refused: ClassVar[Mapping[ModelFamily, str]] = {}

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the metrics: of SQuAD v2 if some questions are unanswerable, and otherwise of SQuAD v1 and MLQA."""
        if self.unanswerable:
            return ("squad_v2_f1", "squad_v2_exact_match")
        return ("f1", "exact_match", "mlqa_f1", "mlqa_exact_match")

    @property
    def default_metrics(self) -> tuple[str, ...]:
        """F1 and exact match, as SQuAD's scripts compute them."""
        return self.metrics[:2]

    def roles_in(self, use: str, passages: bool) -> Roles:  # noqa: ARG002
        return self.row_kinds[0]

    def fault(self, row: Row) -> str | None:
        fault = no_text(row, *self.text_roles) or no_texts(row, "answers")
        if fault is not None or "answers" not in row:
            return fault
        answers: list[str] = row["answers"]
        if not answers and not self.unanswerable:
            return "it has no answer; leave the row out, or write QuestionAnswering(unanswerable=True)"
        if not all(answer.strip() for answer in answers):
            return f"an answer is empty ({answers}); if the question has no answer, give an empty list of answers"
        if "answer_starts" not in row:
            return None
        starts = row["answer_starts"]
        whole = isinstance(starts, list) and all(is_whole(start) for start in starts)  # pyright: ignore[reportUnknownVariableType]
        if not whole or len(starts) != len(answers):
            return (
                f"there are {len(answers)} answers, and answer_starts is {starts!r}; give one integer per answer, the "
                "index of the character where it begins"
            )
        return None

    def classes(self, answer: Any) -> list[str]:
        """Return one class: the text of a prediction, or the first of the gold answers.

        A prediction is a text, or a dict with a `text` and the probability of "no answer" (`no_answer`).
        """
        if isinstance(answer, list):
            text: str = answer[0] if answer else ""
        elif isinstance(answer, dict):
            text = "" if answer["no_answer"] > NO_ANSWER_THRESHOLD else answer["text"]
        else:
            text = answer
        return [repr(text) if text.strip() else NO_ANSWER]
