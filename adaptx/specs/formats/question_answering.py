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
"""Probability of no answer above which a prediction counts as none.

SQuAD's script has 1.0, which never takes an answer back. Ours is the point where no answer is likelier than any, so
that no labelled rows are needed to choose it.
"""
NO_ANSWER = "no answer"
"""What the class of an answer is called where there is none."""


@spec(kw_only=True)
class QuestionAnswering:
    """A span of the context that answers the question. Roles: `question`, `context`, `answers`, `answer_starts`.

    unanswerable: some questions have no answer in their context (no gold answers).
    stride: tokens that neighbouring windows share where a context does not fit into one, as transformers' tokenizers
    count it. None shares a third of a window, at most 128 tokens. An answer is whole in some window if it has fewer
    tokens than that.
    Questions are cut to `question_tokens`, answers have at most `answer_tokens`; of each window the `n_best` starts
    and ends are combined.
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
        """Questions without an answer have metrics of their own."""
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
            return "it has no answer; leave the row out, or say QuestionAnswering(unanswerable=True)"
        if not all(answer.strip() for answer in answers):
            return f"an answer is empty ({answers}); write no answer at all where the question has none"
        if "answer_starts" not in row:
            return None
        starts = row["answer_starts"]
        whole = isinstance(starts, list) and all(is_whole(start) for start in starts)  # pyright: ignore[reportUnknownVariableType]
        if not whole or len(starts) != len(answers):
            return (
                f"{len(answers)} answers, but answer_starts is {starts!r}; give each answer the character it begins "
                "at, an integer"
            )
        return None

    def classes(self, answer: Any) -> list[str]:
        """Name a prediction (a text, perhaps with the probability of no answer) or gold answers by their text."""
        if isinstance(answer, list):
            text: str = answer[0] if answer else ""
        elif isinstance(answer, dict):
            text = "" if answer["no_answer"] > NO_ANSWER_THRESHOLD else answer["text"]
        else:
            text = answer
        return [repr(text) if text.strip() else NO_ANSWER]
