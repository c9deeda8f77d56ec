"""Models: what a pretrained checkpoint is, and how its hidden states are read."""

import enum
from dataclasses import dataclass, field

from adaptx.specs.fingerprint import OUTSIDE


class ModelFamily(enum.Enum):
    ENCODER = "encoder"
    ENCODER_DECODER = "encoder-decoder"
    DECODER = "decoder"


class Pooling(enum.Enum):
    """How one vector is made of a text's token vectors."""

    FIRST = "first token"
    MEAN = "mean over tokens"


@dataclass(frozen=True)
class Hidden:
    """Framing through hidden states: which layer is read, how it is pooled, and how vectors are prepared.

    `layer` None is the last; 0 the embeddings, k the output of the k-th layer. `prefix` is written before each text
    (e5 models were trained with one). `centred` subtracts each side's mean vector before vectors are compared.
    """

    layer: int | None = None
    pooling: Pooling = Pooling.MEAN
    prefix: str = ""
    centred: bool = False

    def __post_init__(self) -> None:
        if self.layer is not None and self.layer < 0:
            raise ValueError(
                f"Hidden(layer={self.layer}): layers count from 0 (the embeddings); for the last one leave layer=None"
            )


@dataclass(frozen=True)
class Shape:
    """Architecture as plain values, enough for planning: sizes in elements, lengths in tokens."""

    model_type: str
    layers: int
    hidden_size: int
    intermediate_size: int
    heads: int
    vocabulary: int
    positions: int

    @property
    def encoder_parameters(self) -> int:
        """Parameters of the transformer layers (weights and biases of attention, feed-forward and norms)."""
        d, f = self.hidden_size, self.intermediate_size
        return self.layers * (4 * (d * d + d) + 2 * d * f + f + d + 4 * d)

    @property
    def embedding_parameters(self) -> int:
        """Token, position and one row of type embeddings, with their norm."""
        return (self.vocabulary + self.positions + 1 + 2) * self.hidden_size

    @property
    def parameters(self) -> int:
        return self.encoder_parameters + self.embedding_parameters


class Exposure(enum.Enum):
    """How a checkpoint met a data set before adaptx trained anything."""

    LABELS = "labelled rows"
    TEXT = "unlabelled text"
    KIND = "other data of the same kind"


@dataclass(frozen=True)
class Seen:
    """A data set or kind of data that a checkpoint was trained on.

    `what` is a hub id, or a task kind (`nli`, `parallel text`, `question answering`); `languages` empty means all.
    """

    what: str
    exposure: Exposure
    languages: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class ModelSpec:
    """A pretrained checkpoint. Its identity is the digest of its weights, so names and paths stay outside it.

    `framing` is how classification reads it, `embedding` how sentence embeddings are taken from it.
    """

    hub_id: str = field(metadata=OUTSIDE)
    family: ModelFamily = ModelFamily.ENCODER
    framing: Hidden = field(default=Hidden(), metadata=OUTSIDE)
    embedding: Hidden = field(default=Hidden(), metadata=OUTSIDE)
    revision: str | None = field(default=None, metadata=OUTSIDE)
    shape: Shape | None = field(default=None, metadata=OUTSIDE)
    licence: str = field(default="", metadata=OUTSIDE)
    citation: str = field(default="", metadata=OUTSIDE)
    seen: tuple[Seen, ...] = field(default=(), metadata=OUTSIDE)

    @property
    def name(self) -> str:
        """Short name for folders and tables: the last part of the hub id or path."""
        return self.hub_id.rstrip("/").rsplit("/", 1)[-1]
