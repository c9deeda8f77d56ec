"""Task formats as plain values: what a row holds, what is predicted. Behaviour lives in `adaptx.formats`."""

import enum
from typing import Annotated

from adaptx.errors import UserError
from adaptx.specs.checked import spec
from adaptx.specs.kind import shown
from adaptx.specs.ranges import Count, Natural, PartialShare, Positive, Within, Word


@spec
class Classification:
    """One label for a text or a pair of texts. Roles: `text`, optionally `pair`, and `label`.

    The label set agrees with another when the names do, in any order.
    """

    labels: tuple[Word, ...]

    def __post_init__(self) -> None:
        _check_labels("Classification", self.labels)


@spec
class MultipleChoice:
    """The right one of any number of choices. Roles: `text`, optionally `question`, `choices` (a list), `label`.

    A choice is read with its question behind the text: the head gives each such pair one score. The number of
    choices may differ from row to row.
    """


@spec
class Tagging:
    """One tag a word. Roles: `tokens` and `tags` (lists of one length).

    The first sub-word of a word carries its tag; sentences longer than the model reads are split and rejoined.
    """

    labels: tuple[Word, ...]

    def __post_init__(self) -> None:
        _check_labels("Tagging", self.labels)


@spec
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


class CandidateText(enum.Enum):
    """How a candidate that has a context is read."""

    PAIR = "a pair of texts"
    JOINED = "one text, the context right behind the candidate"


@spec
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

    temperature: Positive = 0.05
    trained_as: CandidateText = CandidateText.PAIR
    ranked_as: CandidateText = CandidateText.JOINED


@spec
class Bitext:
    """Nearest neighbour among sentence embeddings, by cosine. Roles: `query` and `candidate`, aligned by row.

    Each query's gold is the candidate of its own row; all candidates of the set are ranked.
    """


@spec
class BitextMining:
    """Which sentences of two lists translate one another, by ratio margin (Artetxe and Schwenk 2019, arXiv:1811.01136).

    Roles: `source`, `target` (lists of sentences) and `gold` (pairs of numbers that count from 1), in one row.
    A pair is mined where its margin over the mean of `neighbours` nearest neighbours exceeds a threshold. The
    threshold is chosen on development sentences: every `development_every`-th gold pair, and as many of the other
    sentences of each side; what is scored are the others.
    """

    neighbours: Count = 4
    development_every: Annotated[int, Within(least=2)] = 5


@spec
class MaskedLanguageModel:
    """Masked words of a text, by the checkpoint's own language-model head (Devlin et al. 2019). Role: `text`.

    share: of tokens that are predicted; of these 80 % are masked, 10 % replaced, 10 % left as they are.
    """

    share: PartialShare = 0.15


@spec
class SpanCorruption:
    """Spans of a text that were dropped, written in order (Raffel et al. 2020, arXiv:1910.10683). Role: `text`.

    share: of tokens that are dropped. mean_span: tokens of a span on average. For encoder-decoders with sentinels
    (`<extra_id_0>`), through `Text` framing.
    """

    share: PartialShare = 0.15
    mean_span: Annotated[float, Within(least=1)] = 3.0


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
    twice = [label for place, label in enumerate(labels) if label in labels[:place]]
    if len(labels) < 2 or twice:
        cause = f"{twice[0]!r} is there twice" if twice else f"there are {len(labels)}"
        raise UserError(f"{name}(labels={shown(labels)}): {cause}; name at least two distinct labels")
