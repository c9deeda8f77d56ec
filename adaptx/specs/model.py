"""Models: what a pretrained checkpoint is, and how its hidden states are read."""

import enum
from dataclasses import dataclass, field

from adaptx.specs.architecture import ARCHITECTURES, Architecture, ModelFamily
from adaptx.specs.fingerprint import OUTSIDE


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
    """A checkpoint's sizes as plain values, enough for planning: sizes in elements, lengths in tokens.

    layers: of the encoder, or of a decoder that stands alone. positions: the longest text; 0 where nothing bounds it.
    decoder_layers: those of an encoder-decoder's second stack. kv_heads: heads of keys and values; None: `heads`.
    head_size: None: `hidden_size // heads`. tied: the matrix of scores over the vocabulary is the token embeddings',
    where there is one at all.
    """

    model_type: str
    layers: int
    hidden_size: int
    intermediate_size: int
    heads: int
    vocabulary: int
    positions: int
    decoder_layers: int = 0
    kv_heads: int | None = None
    head_size: int | None = None
    tied: bool = True

    @property
    def architecture(self) -> Architecture:
        """Raises:
        ValueError: the architecture is not supported.
        """
        if self.model_type not in ARCHITECTURES:
            known = ", ".join(ARCHITECTURES)
            raise ValueError(f"architecture {self.model_type!r} is not supported; supported: {known}")
        return ARCHITECTURES[self.model_type]

    @property
    def all_layers(self) -> int:
        """Layers of both stacks."""
        return self.layers + self.decoder_layers

    @property
    def size_of_head(self) -> int:
        return self.head_size or self.hidden_size // self.heads

    @property
    def linear_maps(self) -> dict[str, tuple[int, int]]:
        """Inputs and outputs of each linear map in a layer of the first stack, by site."""
        hidden, inner = self.hidden_size, self.intermediate_size
        queries, keys = self.heads * self.size_of_head, (self.kv_heads or self.heads) * self.size_of_head
        maps = {
            "query": (hidden, queries),
            "key": (hidden, keys),
            "value": (hidden, keys),
            "output": (queries, hidden),
            "up": (hidden, inner),
            "down": (inner, hidden),
        }
        return {**maps, "gate": (hidden, inner)} if self.architecture.gated else maps

    @property
    def decoder_linear_maps(self) -> dict[str, tuple[int, int]]:
        """Likewise in a layer of the second stack, which attends to the first one's output too."""
        maps = self.linear_maps
        return {**maps, **{f"cross_{site}": maps[site] for site in ("query", "key", "value", "output")}}

    @property
    def encoder_parameters(self) -> int:
        """Parameters of the layers of both stacks, with what a stack has beside them (a last norm, distances)."""
        first = self._stack_parameters(self.layers, self.linear_maps, norms=2)
        if not self.decoder_layers:
            return first
        return first + self._stack_parameters(self.decoder_layers, self.decoder_linear_maps, norms=3)

    @property
    def embedding_parameters(self) -> int:
        """Token, position and type embeddings with their norm, and the matrix of scores where it is one of its own."""
        architecture = self.architecture
        rows = self.vocabulary + architecture.type_rows + (self.positions if architecture.position_table else 0)
        if architecture.embedding_norm:
            rows += architecture.norm_tensors
        if architecture.output_matrix and not self.tied:
            rows += self.vocabulary
        return rows * self.hidden_size

    @property
    def parameters(self) -> int:
        return self.encoder_parameters + self.embedding_parameters

    def _stack_parameters(self, layers: int, maps: dict[str, tuple[int, int]], norms: int) -> int:
        architecture = self.architecture
        norm = architecture.norm_tensors * self.hidden_size
        layer = sum(inputs * outputs for inputs, outputs in maps.values()) + norms * norm
        if architecture.biases:
            layer += sum(outputs for _, outputs in maps.values())
        if architecture.head_norms:
            layer += 2 * architecture.norm_tensors * self.size_of_head
        beside = architecture.position_buckets * self.heads + (norm if architecture.final_norm else 0)
        return layers * layer + beside


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
