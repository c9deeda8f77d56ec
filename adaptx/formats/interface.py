"""The interface of a format: the functions that training and evaluation call, and the values that pass between them.

Training encodes rows as `Items`, and computes a loss for each micro-batch of them (`Piece`). Evaluation encodes rows as
`Inputs`, computes values for each micro-batch, and decodes these values as `Predictions`.

The file of a format holds plain functions and one `Format` that names them. `adaptx.formats` maps each task format of
`adaptx.specs` to its `Format`.

Suffixes of tensor and array names, one letter per dimension: N sequences of a micro-batch, D hidden size.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate, pairwise
from typing import Any

import torch
from torch import Tensor, nn

from adaptx.backbones.backbone import Backbone
from adaptx.backbones.batching import Encoding, TokenBatch, collate
from adaptx.backbones.finite import check_finite
from adaptx.data.examples import Examples
from adaptx.files.left_out import LeftOut
from adaptx.specs import Framing, Hidden, ModelFamily, ModelSpec, TaskFormat, Text


@dataclass(frozen=True, kw_only=True)
class Reading:
    """The way in which a backbone reads texts: its tokenizer, its framing and its maximum sequence length.

    max_length: maximum number of tokens per sequence. causal: whether a token attends only to the tokens before it.
    writes: whether the backbone is an encoder-decoder, which keeps an answer and its prompt in separate sequences.
    """

    tokenizer: Any
    framing: Framing
    max_length: int
    causal: bool = False
    writes: bool = False

    @property
    def hidden(self) -> Hidden:
        assert isinstance(self.framing, Hidden)
        return self.framing

    @property
    def text(self) -> Text:
        assert isinstance(self.framing, Text)
        return self.framing


def reading_of(model: ModelSpec, tokenizer: Any, framing: Framing, max_length: int) -> Reading:
    """Return how a model reads texts under a framing."""
    both_ways = isinstance(framing, Hidden) and framing.bidirectional
    causal = model.family is ModelFamily.DECODER and not both_ways
    return Reading(
        tokenizer=tokenizer,
        framing=framing,
        max_length=max_length,
        causal=causal,
        writes=model.family is ModelFamily.ENCODER_DECODER,
    )


@dataclass(frozen=True, kw_only=True)
class Items:
    """The tokenised examples that a training draws from.

    encoded: the sequences of all items. members: for each item, the indices of its sequences in `encoded`; all
    sequences of an item are in the same micro-batch. targets: the target of each item, in a form that the format's loss
    reads. units: the number of loss units of each item. The file of each format says what its loss unit is, such as an
    example, a word or a masked token. left_out: counts of the examples that did not become items, by reason.
    """

    encoded: Encoding
    members: list[list[int]]
    targets: list[Any]
    units: list[int]
    left_out: tuple[LeftOut, ...] = ()

    def __len__(self) -> int:
        return len(self.members)

    def tokens(self, item: int) -> int:
        """Return the number of tokens in all sequences of an item."""
        return sum(len(self.encoded.ids[sequence]) for sequence in self.members[item])


def one_sequence_each(encoded: Encoding, targets: list[Any]) -> Items:
    """Return one item per sequence, each with one loss unit."""
    return Items(
        encoded=encoded, members=[[index] for index in range(len(encoded))], targets=targets, units=[1] * len(encoded)
    )


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A micro-batch, which consists of whole items.

    sequences: the N indices, in `encoded`, of the micro-batch's sequences, such as [4, 5, 9]. members: for each item,
    the positions of its sequences in `sequences`, such as [0, 1] for 4 and 5. targets: the target of each item.
    """

    encoded: Encoding
    sequences: list[int]
    members: list[list[int]]
    targets: list[Any]
    device: torch.device

    @cached_property
    def batch(self) -> TokenBatch:
        """The N sequences, packed one after another."""
        return collate(self.encoded, self.sequences, self.device)

    @property
    def ids(self) -> list[list[int]]:
        return [self.encoded.ids[sequence] for sequence in self.sequences]


def piece_of(items: Items, chosen: Sequence[int], device: torch.device) -> Piece:
    """Return the chosen items as one micro-batch."""
    sequences = [sequence for item in chosen for sequence in items.members[item]]
    ends = accumulate((len(items.members[item]) for item in chosen), initial=0)
    members = [list(range(first, last)) for first, last in pairwise(ends)]
    return Piece(
        encoded=items.encoded,
        sequences=sequences,
        members=members,
        targets=[items.targets[item] for item in chosen],
        device=device,
    )


@dataclass(frozen=True)
class HeadBase:
    """The facts about a backbone that are needed to make a new head.

    dropout: the probability with which the head sets each number of its input to 0 in training. network: the backbone's
    network. pretrained: a function that returns, by name, the tensors of the checkpoint's own language-model head, or
    None if the checkpoint has no such head.
    """

    hidden_size: int
    dropout: float
    network: Any
    pretrained: Callable[[], dict[str, Tensor] | None]


@dataclass(frozen=True)
class TrainedHead:
    """A head, and the task format that it was trained for. Its outputs are in the order of the format's labels."""

    module: nn.Module
    format: TaskFormat


@dataclass(frozen=True)
class Model:
    """A backbone in evaluation mode, its head (or None), its `Reading`, and the task format of the examples it reads.

    If there is a head, its outputs are in the order of the format's labels.
    """

    backbone: Backbone
    head: nn.Module | None
    reading: Reading
    format: Any


@dataclass(frozen=True)
class Pass:
    """One pass of a set's texts through a model, which computes a value for each item.

    read: a function (model, micro-batch) -> one value per item, as a tensor [items, ...] or a sequence. behind: for
    each item, the maximum number of answer tokens after its prompt. None if the format has no answers; the sequences
    are then packed.
    """

    items: Items
    read: Callable[[Model, Piece], Tensor | Sequence[Any]]
    behind: Sequence[int] | None = None

    @cached_property
    def tokens(self) -> list[int]:
        """The number of tokens of each item, including the maximum number of answer tokens."""
        own = [self.items.tokens(item) for item in range(len(self.items))]
        return own if self.behind is None else [n + more for n, more in zip(own, self.behind, strict=True)]


@dataclass(frozen=True)
class Inputs:
    """The inputs that a model reads for a set of rows, in one or several passes.

    encoded, texts: the sequences and texts from which the token statistics of the set are computed.
    """

    passes: tuple[Pass, ...]
    encoded: list[Encoding]
    texts: list[str]


@dataclass(frozen=True, kw_only=True)
class Answers:
    """The values that a model computed for a set of rows.

    values: one entry per pass, a tensor [items, ...] or a list. pool, pool_vectors: the candidates to rank and their
    vectors [candidates, D]; None for formats without a pool.
    """

    examples: Examples
    model: Model
    inputs: Inputs
    values: tuple[Any, ...]
    pool: Examples | None = None
    pool_vectors: Tensor | None = None

    @property
    def reading(self) -> Reading:
        return self.model.reading


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """Predictions for one set, in the forms that `adaptx.metrics` takes.

    golds: the gold answers; None if the rows are unlabelled. rows: the row number of each prediction. inputs:
    the inputs that the model read. details: facts about the whole set, such as a threshold. records: further facts
    about each prediction that `predict` shows, such as probabilities; None if there are none.
    """

    predictions: list[Any]
    golds: list[Any] | None
    rows: tuple[int, ...]
    inputs: Inputs
    details: dict[str, Any] = field(default_factory=dict[str, Any])
    records: list[dict[str, Any]] | None = None


@dataclass(frozen=True)
class SummedLoss:
    """A loss that is computed with a head and summed over items.

    of: a function (backbone, head, micro-batch, framing) -> scalar, summed over the loss units of the micro-batch.
    """

    of: Callable[[Backbone, nn.Module, Piece, Hidden], Tensor]


@dataclass(frozen=True)
class AnswerLoss:
    """A loss over the tokens of answers. It uses the backbone's own scores over its vocabulary instead of a head.

    of: a function (backbone, micro-batch) -> scalar, summed over the loss units of the micro-batch.
    """

    of: Callable[[Backbone, Piece], Tensor]


@dataclass(frozen=True)
class JointLoss:
    """A loss that compares the pooled vectors of the whole batch, such as a loss with in-batch negatives.

    of: a function (vectors [sequences, D], drawn items, format) -> scalar, summed over loss units. The vectors of the
    first item's sequences come first.
    """

    of: Callable[[Tensor, Items, Any], Tensor]


@dataclass(frozen=True)
class FormatTraining:
    """The functions that train a format.

    items: (examples, format, reading) -> the items that batches are drawn from. loss: the loss of a micro-batch or a
    batch. new_head: (format, facts about the backbone) -> an untrained head; None if the format needs no head. draw:
    (items, indices, format, reading, seed) -> the drawn items, with changes that are made anew at each draw, such as
    masks; None for formats without such changes.
    """

    items: Callable[[Examples, Any, Reading], Items]
    loss: SummedLoss | AnswerLoss | JointLoss
    new_head: Callable[[Any, HeadBase], nn.Module] | None = None
    draw: Callable[[Items, Sequence[int], Any, Reading, int], Items] | None = None


@dataclass(frozen=True)
class Format:
    """The functions of one task format for evaluation and training.

    encode: (examples, format, reading) -> the inputs of these rows, labelled or not. decode: (computed values) ->
    predictions. training: None if the format is only evaluated. encode_pool: (candidates, format, reading) -> the
    encoded candidates, which are then embedded and ranked; None for formats without a pool of candidates.
    """

    encode: Callable[[Examples, Any, Reading], Inputs]
    decode: Callable[[Answers], Predictions]
    training: FormatTraining | None = None
    encode_pool: Callable[[Examples, Any, Reading], Pass] | None = None


def vectors(model: Model, piece: Piece) -> Tensor:
    """Return the pooled vector of each item [items, D]. Each item must consist of one sequence.

    Raises:
        NotFinite: a vector holds NaN or infinity.
    """
    pooled_ND = model.backbone.pooled(piece.batch, model.reading.hidden)
    return check_finite(pooled_ND.float().cpu(), "numbers of the embeddings")


def embedded(encoded: Encoding) -> Pass:
    """Return a `Pass` that computes the pooled vector of each sequence."""
    return Pass(one_sequence_each(encoded, [None] * len(encoded)), vectors)


def take(items: Items, indices: Sequence[int]) -> Items:
    """Return the items at these indices as one batch."""
    return Items(
        # `members` are indices into `encoded`, which therefore is not cut.
        encoded=items.encoded,
        members=[items.members[index] for index in indices],
        targets=[items.targets[index] for index in indices],
        units=[items.units[index] for index in indices],
    )
