"""Task formats as plain values: what a row holds, what is predicted. Behaviour lives in `adaptx.formats`."""

import enum
from dataclasses import dataclass


@dataclass(frozen=True)
class Classification:
    """One label for a text or a pair of texts. Roles: `text`, optionally `pair`, and `label`.

    The label set agrees with another when the names do, in any order.
    """

    labels: tuple[str, ...]

    def __post_init__(self) -> None:
        _check_labels("Classification", self.labels)


@dataclass(frozen=True)
class MultipleChoice:
    """The right one of any number of choices. Roles: `text`, optionally `question`, `choices` (a list), `label`.

    A choice is read with its question behind the text: the head gives each such pair one score. The number of
    choices may differ from row to row.
    """


@dataclass(frozen=True)
class Tagging:
    """One tag a word. Roles: `tokens` and `tags` (lists of one length).

    The first sub-word of a word carries its tag; sentences longer than the model reads are split and rejoined.
    """

    labels: tuple[str, ...]

    def __post_init__(self) -> None:
        _check_labels("Tagging", self.labels)


@dataclass(frozen=True)
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
    stride: int | None = None
    question_tokens: int = 64
    answer_tokens: int = 30
    n_best: int = 20

    def __post_init__(self) -> None:
        if self.stride is not None and self.stride < 0:
            raise ValueError(
                f"QuestionAnswering(stride={self.stride}): it is at least 0, or None for a third of a window"
            )
        for name in ("question_tokens", "answer_tokens", "n_best"):
            if getattr(self, name) < 1:
                raise ValueError(f"QuestionAnswering({name}={getattr(self, name)}): it is at least 1")


class CandidateText(enum.Enum):
    """How a candidate that has a context is read."""

    PAIR = "a pair of texts"
    JOINED = "one text, the context right behind the candidate"


@dataclass(frozen=True)
class Retrieval:
    """Dual-encoder retrieval: a query's right candidates are found among the task's pool by cosine.

    Roles of training rows: `query` and `candidate`, optionally `candidate_context`; or `query`, `passage` and
    `answer_starts`, where the candidate is the passage's sentence that holds the answer, with the passage as its
    context. Roles of evaluation rows: `query` and `gold` (an id). Roles of the pool: `id`, `candidate`, optionally
    `candidate_context`; or `id`, `passage`, `sentence_breaks`, `answer_starts`: each sentence of a passage is a
    candidate, right for the ids of the rows whose answer begins in it. Right are all candidates of the query's id.

    Trained by in-batch softmax over cosines divided by `temperature`, over the whole batch.

    trained_as, ranked_as: how candidates with contexts are read in training, and where they are ranked. The defaults
    are those of XTREME-R's scripts: run_retrieval_qa.py trains on pairs, evaluate_retrieval.py joins sentence and
    paragraph without a space, line breaks taken out.
    """

    temperature: float = 0.05
    trained_as: CandidateText = CandidateText.PAIR
    ranked_as: CandidateText = CandidateText.JOINED

    def __post_init__(self) -> None:
        if self.temperature <= 0:
            raise ValueError(f"Retrieval(temperature={self.temperature}): it must be above zero")


@dataclass(frozen=True)
class Bitext:
    """Nearest neighbour among sentence embeddings, by cosine. Roles: `query` and `candidate`, aligned by row.

    Each query's gold is the candidate of its own row; all candidates of the set are ranked.
    """


@dataclass(frozen=True)
class BitextMining:
    """Which sentences of two lists translate one another, by ratio margin (Artetxe and Schwenk 2019, arXiv:1811.01136).

    Roles: `source`, `target` (lists of sentences) and `gold` (pairs of numbers that count from 1), in one row.
    A pair is mined where its margin over the mean of `neighbours` nearest neighbours exceeds a threshold. The
    threshold is chosen on development sentences: every `development_every`-th gold pair, and as many of the other
    sentences of each side; what is scored are the others.
    """

    neighbours: int = 4
    development_every: int = 5

    def __post_init__(self) -> None:
        if self.neighbours < 1 or self.development_every < 2:
            raise ValueError(f"{self}: neighbours is at least 1, development_every at least 2")


@dataclass(frozen=True)
class MaskedLanguageModel:
    """Masked words of a text, by the checkpoint's own language-model head (Devlin et al. 2019). Role: `text`.

    share: of tokens that are predicted; of these 80 % are masked, 10 % replaced, 10 % left as they are.
    """

    share: float = 0.15

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise ValueError(f"MaskedLanguageModel(share={self.share}): a share lies between 0 and 1")


@dataclass(frozen=True)
class SpanCorruption:
    """Spans of a text that were dropped, written in order (Raffel et al. 2020, arXiv:1910.10683). Role: `text`.

    share: of tokens that are dropped. mean_span: tokens of a span on average. For encoder-decoders with sentinels
    (`<extra_id_0>`), through `Text` framing.
    """

    share: float = 0.15
    mean_span: float = 3.0

    def __post_init__(self) -> None:
        if not 0 < self.share < 1 or self.mean_span < 1:
            raise ValueError(f"{self}: share lies between 0 and 1, mean_span is at least 1")


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


def _check_labels(name: str, labels: tuple[str, ...]) -> None:
    if len(labels) < 2 or len(set(labels)) != len(labels):
        raise ValueError(f"{name} needs at least two distinct labels, got {labels}")
