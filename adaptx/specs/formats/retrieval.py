"""Dual-encoder retrieval."""

import enum
from collections.abc import Mapping
from typing import Any, ClassVar

from adaptx.specs.checked import spec
from adaptx.specs.formats.facts import AsText, NotAsText, Roles, Row
from adaptx.specs.formats.rows import no_text, no_texts
from adaptx.specs.model import ModelFamily
from adaptx.specs.ranges import Positive


class CandidateText(enum.Enum):
    """How a candidate and its context are read together."""

    PAIR = "a pair of texts"
    JOINED = "one text, the context right behind the candidate"


_PAIRS = Roles(("query", "candidate"), ("candidate_context",))
_PASSAGES = Roles(("query", "passage", "answer_starts"), ("sentence_breaks",))
_QUERIES = Roles(("query", "gold"))
_CANDIDATES = Roles(("id", "candidate"), ("candidate_context",))
_SENTENCES = Roles(("id", "passage", "answer_starts"), ("sentence_breaks",))


@spec
class Retrieval:
    """Dual-encoder retrieval: candidates of the task's pool are ranked for a query, by cosine.

    Training rows have one of two sets of roles:
        `query` and `candidate`, optionally `candidate_context`.
        `query`, `passage` and `answer_starts`, optionally `sentence_breaks`. The candidate is then the sentence of the
            passage in which the answer begins, and the passage is its context.

    Evaluation rows have the roles `query` and `gold` (an id). Every candidate with that id is right.

    The pool's rows have one of two sets of roles:
        `id` and `candidate`, optionally `candidate_context`.
        `id`, `passage` and `answer_starts`, optionally `sentence_breaks`. Every sentence of a passage is then a
            candidate. It has the ids of the rows whose answer begins in it.

    The training loss is a softmax over a query's cosines with all candidates of the batch.

    Attributes:
        temperature: divisor of the cosines in the loss.
        trained_as: how a candidate and its context are read in training: by default as a pair of texts, as in
            XTREME-R's run_retrieval_qa.py.
        ranked_as: how a candidate and its context are read when candidates are ranked: by default joined without a
            space, and without line breaks, as in XTREME-R's evaluate_retrieval.py.
    """

    temperature: Positive = 0.05
    trained_as: CandidateText = CandidateText.PAIR
    ranked_as: CandidateText = CandidateText.JOINED

    labels: ClassVar[tuple[str, ...]] = ()
    row_kinds: ClassVar[tuple[Roles, ...]] = (_PAIRS, _PASSAGES, _QUERIES, _CANDIDATES, _SENTENCES)
    text_roles: ClassVar[tuple[str, ...]] = ("query", "candidate", "candidate_context", "passage")
    list_roles: ClassVar[tuple[str, ...]] = ("answers", "answer_starts", "sentence_breaks")
    gold_roles: ClassVar[tuple[str, ...]] = ("answers", "answer_starts", "gold")
    shared_roles: ClassVar[tuple[str, ...]] = ("passage", "candidate_context")
    metrics: ClassVar[tuple[str, ...]] = ("map_at_20", "mewslix_map_at_20")
    default_metrics: ClassVar[tuple[str, ...]] = ("map_at_20",)
    is_trained: ClassVar[bool] = True
    embeds: ClassVar[bool] = True
    ranks_pool: ClassVar[bool] = True
    needs_places: ClassVar[bool] = False
    texts_per_row: ClassVar[int] = 2
    sequences_per_item: ClassVar[int] = 2
    as_text: ClassVar[AsText | NotAsText] = NotAsText(
        "queries and candidates are compared as vectors, and a written answer is not a vector"
    )
    hidden_refused: ClassVar[Mapping[ModelFamily, str]] = {}

    def roles_in(self, use: str, passages: bool) -> Roles:
        if use == "train":
            return _PASSAGES if passages else _PAIRS
        if use == "pool":
            return _SENTENCES if passages else _CANDIDATES
        return _QUERIES

    def fault(self, row: Row) -> str | None:
        fault = no_text(row, "query", "candidate", "candidate_context", "id") or no_texts(row, "gold", "answers")
        if fault is None and row.get("gold") == []:
            return "gold is empty, and a query needs at least one right candidate; leave the row out"
        return fault

    def classes(self, answer: Any) -> list[str]:
        return [f"candidate {answer[0]}"] if answer else []
