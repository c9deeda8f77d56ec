"""What the training loop and the evaluation ask of a format: items to draw, a head, a loss, and predictions.

A format's file holds plain functions and one `Format` of them; `adaptx.formats` maps spec types to these.

Suffixes: N sequences of a micro-batch, D hidden size.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from torch import Tensor, nn

from adaptx.backbones.backbone import Backbone
from adaptx.backbones.batching import Encoded, TokenBatch
from adaptx.data.examples import Examples
from adaptx.files.left_out import LeftOut
from adaptx.specs import Framing, Hidden, ModelFamily, ModelSpec, Task, TaskFormat, Text


@dataclass(frozen=True)
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
    return Reading(tokenizer, framing, max_length, causal, model.family is ModelFamily.ENCODER_DECODER)


@dataclass(frozen=True)
class Items:
    """What a training draws from.

    Item i has the sequences `members[i]` of `encoded`, which stay in one micro-batch, the target `targets[i]` and
    `units[i]` loss units (a unit is an example, a word or a masked token: the format's file says which).
    left_out: examples that became no item, by reason.
    """

    encoded: Encoded
    members: list[list[int]]
    targets: list[Any]
    units: list[int]
    left_out: tuple[LeftOut, ...] = ()

    def __len__(self) -> int:
        return len(self.members)

    def tokens(self, item: int) -> int:
        return sum(len(self.encoded.ids[sequence]) for sequence in self.members[item])


def one_sequence_each(encoded: Encoded, targets: list[Any]) -> Items:
    """Items of one sequence and one loss unit."""
    return Items(encoded, [[index] for index in range(len(encoded))], targets, [1] * len(encoded))


@dataclass(frozen=True)
class Piece:
    """A micro-batch: its items, their sequences packed, and which of `encoded` the N sequences are, in order."""

    batch: TokenBatch
    items: list[int]
    sequences: list[int]

    def position(self) -> dict[int, int]:
        """Index into `encoded` -> place among the N sequences."""
        return {sequence: place for place, sequence in enumerate(self.sequences)}


@dataclass(frozen=True)
class HeadBase:
    """What a new head is made for.

    pretrained: the checkpoint's own language-model head, by tensor name, if it has one.
    """

    hidden_size: int
    dropout: float
    network: Any
    pretrained: Callable[[], dict[str, Tensor] | None]


Read = Callable[[TokenBatch, Sequence[int]], Sequence[Any] | Tensor]
"""(micro-batch, which sequences of the encoded texts it holds) -> one value for each of them."""


class Forward(Protocol):
    """A model in evaluation mode, which formats run their encoded texts through."""

    backbone: Backbone
    reading: Reading

    def each(self, encoded: Encoded, read: Read) -> list[Any]:
        """What `read` returns for each sequence of a micro-batch, for all sequences in the given order, on the CPU."""
        ...

    def in_groups(self, tokens: Sequence[int], read: Callable[[list[int]], Sequence[Any]]) -> list[Any]:
        """What `read` returns for each of a group of items, for all items of so many `tokens`, in the given order."""
        ...

    def vectors(self, encoded: Encoded) -> Tensor:
        """Pooled vectors [sequences, D], fp32 on the CPU, in the given order."""
        ...

    def pool(self, task: Task, wanted: Sequence[str]) -> Examples:
        """The task's candidates; under a row limit, at least those that are right for the `wanted` ids."""
        ...

    def remembered(self, key: object, make: Callable[[], Tensor]) -> Tensor:
        """What `make` returned for that key before, with the same model and framing."""
        ...


@dataclass(frozen=True)
class TrainedHead:
    """A head with the format it was trained for: its labels are in the order of the head's rows."""

    module: nn.Module
    format: TaskFormat


@dataclass(frozen=True)
class Predicted:
    """Predictions of one set, in the forms that `adaptx.metrics` take.

    golds: None where the rows are unlabelled. rows: row number of each prediction. encoded, texts: what was read, for
    its statistics. details: of the whole set (a threshold). records: more about each prediction, for a person.
    """

    predictions: list[Any]
    golds: list[Any] | None
    rows: tuple[int, ...]
    encoded: list[Encoded]
    texts: list[str]
    details: dict[str, Any] = field(default_factory=dict[str, Any])
    records: list[dict[str, Any]] | None = None


@dataclass(frozen=True)
class SummedLoss:
    """A loss that is a sum over items: (backbone, head, drawn items, micro-batch, framing) -> scalar, summed over
    the loss units of the micro-batch.
    """

    of: Callable[[Backbone, nn.Module, Items, Piece, Hidden], Tensor]


@dataclass(frozen=True)
class AnswerLoss:
    """A loss over answers by the backbone's own scores over the vocabulary, without a head: (backbone, drawn items,
    micro-batch) -> scalar, summed over the loss units of the micro-batch.
    """

    of: Callable[[Backbone, Items, Piece], Tensor]


@dataclass(frozen=True)
class JointLoss:
    """A loss over pooled vectors of the whole batch: (vectors [sequences, D], drawn items, format) -> scalar, summed
    over loss units. The vectors are in the order of the items' members. Gradients reach the backbone in micro-batches
    all the same (`adaptx.training.gradients`).
    """

    of: Callable[[Tensor, Items, Any], Tensor]


@dataclass(frozen=True)
class Training:
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
    """One task format's behaviour. training None: it is evaluated only.

    predict: (examples, task, head or None, forward) -> predictions for any rows, labelled or not.
    """

    predict: Callable[[Examples, Task, TrainedHead | None, Forward], Predicted]
    training: Training | None = None


def take(items: Items, indices: Sequence[int]) -> Items:
    """The items drawn for one batch; their sequences keep their places in `encoded`."""
    return Items(
        items.encoded,
        [items.members[index] for index in indices],
        [items.targets[index] for index in indices],
        [items.units[index] for index in indices],
    )
