"""What the training loop and the evaluation ask of a format.

Training: rows -> `Items` -> `Piece` -> loss. Evaluation: rows -> `Inputs` -> `Piece` -> values -> `Predictions`.

A format's file holds plain functions and one `Format` of them; `adaptx.formats` maps spec types to these.

Suffixes: N sequences of a micro-batch, D hidden size.
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
    """How texts reach a backbone and what of it is read; `max_length` counts tokens.

    causal: tokens see what is before them alone. writes: the backbone is an encoder-decoder, whose answers do not stand
    in one row with their prompts.
    """

    tokenizer: Any
    framing: Framing
    max_length: int
    causal: bool = False
    writes: bool = False

    @property
    def hidden(self) -> Hidden:
        """The framing of a format that reads hidden states."""
        assert isinstance(self.framing, Hidden)
        return self.framing

    @property
    def text(self) -> Text:
        """The framing of a format that reads a prompt."""
        assert isinstance(self.framing, Text)
        return self.framing


def reading_of(model: ModelSpec, tokenizer: Any, framing: Framing, max_length: int) -> Reading:
    """How that model reads under a framing."""
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
    """What a training draws from.

    Item i has the sequences `members[i]` of `encoded`, which stay in one micro-batch, the target `targets[i]` and
    `units[i]` loss units (a unit is an example, a word or a masked token: the format's file says which).
    left_out: examples that became no item, by reason.
    """

    encoded: Encoding
    members: list[list[int]]
    targets: list[Any]
    units: list[int]
    left_out: tuple[LeftOut, ...] = ()

    def __len__(self) -> int:
        return len(self.members)

    def tokens(self, item: int) -> int:
        return sum(len(self.encoded.ids[sequence]) for sequence in self.members[item])


def one_sequence_each(encoded: Encoding, targets: list[Any]) -> Items:
    """Items of one sequence and one loss unit."""
    return Items(
        encoded=encoded, members=[[index] for index in range(len(encoded))], targets=targets, units=[1] * len(encoded)
    )


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A micro-batch of whole items: the sequences `sequences` of `encoded`, and the targets of the items.

    members: of each item, the places of its sequences among the N that are read.
    """

    encoded: Encoding
    sequences: list[int]
    members: list[list[int]]
    targets: list[Any]
    device: torch.device

    @cached_property
    def batch(self) -> TokenBatch:
        """The sequences packed into one row, in order."""
        return collate(self.encoded, self.sequences, self.device)

    @property
    def ids(self) -> list[list[int]]:
        """Token ids of the N sequences."""
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
    """What a new head is made for.

    pretrained: the checkpoint's own language-model head, by tensor name, if it has one.
    """

    hidden_size: int
    dropout: float
    network: Any
    pretrained: Callable[[], dict[str, Tensor] | None]


@dataclass(frozen=True)
class TrainedHead:
    """A head with the format it was trained for: its labels are in the order of the head's rows."""

    module: nn.Module
    format: TaskFormat


@dataclass(frozen=True)
class Model:
    """A model in evaluation mode: its head if it has one, how it reads, and the format that it answers.

    Labels of the format are in the order of the head's rows.
    """

    backbone: Backbone
    head: nn.Module | None
    reading: Reading
    format: Any


@dataclass(frozen=True)
class Pass:
    """One way of a set's texts through a model, which reads a value for each item.

    read: (model, micro-batch) -> a value for each of its items, a tensor [items, ...] or a sequence.
    behind: None where sequences are packed into rows; else the most tokens that are read or written behind each prompt.
    """

    items: Items
    read: Callable[[Model, Piece], Tensor | Sequence[Any]]
    behind: Sequence[int] | None = None

    @cached_property
    def tokens(self) -> list[int]:
        """Tokens that each item takes in a forward pass."""
        own = [self.items.tokens(item) for item in range(len(self.items))]
        return own if self.behind is None else [n + more for n, more in zip(own, self.behind, strict=True)]


@dataclass(frozen=True)
class Inputs:
    """What is read of a set of rows: in one pass or several. encoded, texts: for its statistics."""

    passes: tuple[Pass, ...]
    encoded: list[Encoding]
    texts: list[str]


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What a model read of a set of rows: the values of each pass, a tensor [items, ...] or a list.

    pool, pool_vectors: the candidates that are ranked, with their vectors [candidates, D], for formats with a pool.
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
    """Predictions of one set, in the forms that `adaptx.metrics` take.

    golds: None where the rows are unlabelled. rows: row number of each prediction. inputs: what was read. details: of
    the whole set (a threshold). records: more about each prediction, for a person.
    """

    predictions: list[Any]
    golds: list[Any] | None
    rows: tuple[int, ...]
    inputs: Inputs
    details: dict[str, Any] = field(default_factory=dict[str, Any])
    records: list[dict[str, Any]] | None = None


@dataclass(frozen=True)
class SummedLoss:
    """A loss that is a sum over items: (backbone, head, micro-batch, framing) -> scalar, summed over the loss units of
    the micro-batch.
    """

    of: Callable[[Backbone, nn.Module, Piece, Hidden], Tensor]


@dataclass(frozen=True)
class AnswerLoss:
    """A loss over answers by the backbone's own scores over the vocabulary, without a head: (backbone, micro-batch) ->
    scalar, summed over the loss units of the micro-batch.
    """

    of: Callable[[Backbone, Piece], Tensor]


@dataclass(frozen=True)
class JointLoss:
    """A loss over pooled vectors of the whole batch: (vectors [sequences, D], drawn items, format) -> scalar, summed
    over loss units. The vectors are in the order of the items' members. Gradients reach the backbone in micro-batches
    all the same (`adaptx.training.gradients`).
    """

    of: Callable[[Tensor, Items, Any], Tensor]


@dataclass(frozen=True)
class FormatTraining:
    """How a format is trained.

    items: (examples, format, reading) -> what is drawn from. new_head: None where no head is needed. draw: (items,
    indices, seed) -> the drawn items, where drawing changes them (masking); None takes them as they are.
    """

    items: Callable[[Examples, Any, Reading], Items]
    loss: SummedLoss | AnswerLoss | JointLoss
    new_head: Callable[[Any, HeadBase], nn.Module] | None = None
    draw: Callable[[Items, Sequence[int], Any, Reading, int], Items] | None = None


@dataclass(frozen=True)
class Format:
    """One task format's behaviour.

    encode: (examples, format, reading) -> what is read of these rows, labelled or not. decode: what a model read ->
    predictions. training: None where the format is evaluated only. encode_pool: (candidates, format, reading) -> what
    is read of a pool that is ranked; None for formats without one.
    """

    encode: Callable[[Examples, Any, Reading], Inputs]
    decode: Callable[[Answers], Predictions]
    training: FormatTraining | None = None
    encode_pool: Callable[[Examples, Any, Reading], Pass] | None = None


def vectors(model: Model, piece: Piece) -> Tensor:
    """Read pooled vectors [items, D], of items of one sequence."""
    pooled_ND = model.backbone.pooled(piece.batch, model.reading.hidden)
    return check_finite(pooled_ND.float().cpu(), "numbers of the embeddings")


def embedded(encoded: Encoding) -> Pass:
    """Return the pass that reads a vector for each sequence."""
    return Pass(one_sequence_each(encoded, [None] * len(encoded)), vectors)


def take(items: Items, indices: Sequence[int]) -> Items:
    """The items drawn for one batch; their sequences keep their places in `encoded`."""
    return Items(
        encoded=items.encoded,
        members=[items.members[index] for index in indices],
        targets=[items.targets[index] for index in indices],
        units=[items.units[index] for index in indices],
    )
