"""Models: what a pretrained checkpoint is, and how its hidden states are read."""

import enum
import functools
from dataclasses import KW_ONLY, field, replace

from adaptx.errors import UserError
from adaptx.specs.architectures import architecture_of
from adaptx.specs.architectures.architecture import ATTENTION, Architecture, LayerStack, ModelFamily
from adaptx.specs.checked import spec
from adaptx.specs.fingerprint import OUTSIDE
from adaptx.specs.hashing import keep_hash
from adaptx.specs.linear_maps import FUSED
from adaptx.specs.names import check_file_name
from adaptx.specs.quantisation import Quantisation
from adaptx.specs.ranges import Count, Natural, Word


class Pooling(enum.Enum):
    """How one vector is made of a text's token vectors.

    START reads an encoder-decoder's second stack, at the token that begins what it writes; all others the first.
    """

    FIRST = "first token"
    MEAN = "mean over tokens"
    LAST = "last token"
    START = "decoder's start token"


@spec
class Hidden:
    """Framing through hidden states: which layer is read, how it is pooled, and how vectors are prepared.

    `layer` None is the last; 0 the embeddings, k the output of the k-th layer. `prefix` is written before each text
    (e5 models were trained with one). `centred` subtracts each side's mean vector before vectors are compared.
    `bidirectional` lets a decoder's tokens see those after them too (BehnamGhader et al. 2024, LLM2Vec,
    arXiv:2404.05961).
    """

    layer: Natural | None = None
    pooling: Pooling = Pooling.MEAN
    _: KW_ONLY
    prefix: str = ""
    centred: bool = False
    bidirectional: bool = False


@keep_hash
@spec
class Shape:
    """A checkpoint's sizes as plain values, enough for planning: sizes in elements, lengths in tokens.

    layers: of the encoder, or of a decoder that stands alone. positions: the longest text; 0 where nothing bounds it.
    decoder_layers: those of an encoder-decoder's second stack. kv_heads: heads of keys and values; None: `heads`.
    head_size: None: `hidden_size // heads`. tied: the matrix of scores over the vocabulary is the token embeddings',
    where there is one at all. gated: the feed-forward has a gate; None: as its architecture has it. embedding_size: of
    the embeddings, where a map makes hidden states of them; None: `hidden_size`, and no such map.
    """

    model_type: str
    layers: Count
    hidden_size: Count
    intermediate_size: Count
    heads: Count
    vocabulary: Count
    positions: Natural
    _: KW_ONLY
    decoder_layers: Natural = 0
    kv_heads: Count | None = None
    head_size: Count | None = None
    tied: bool = True
    gated: bool | None = None
    embedding_size: Count | None = None

    @property
    def architecture(self) -> Architecture:
        """What is known of the architecture.

        Raises:
            UserError: it is not supported.
        """
        return architecture_of(self.model_type)

    @property
    def is_gated(self) -> bool:
        """Whether the feed-forward has a gate."""
        return self.architecture.gated if self.gated is None else self.gated

    @property
    def feed_forward(self) -> str:
        """T5's name for the feed-forward that has a gate, or none."""
        return "gated-gelu" if self.is_gated else "relu"

    @property
    def stacks(self) -> tuple[LayerStack, ...]:
        """The paths of linear maps in each stack's layers."""
        architecture = self.architecture
        return architecture.gated_stacks if architecture.either_gated and self.is_gated else architecture.stacks

    @property
    def key_heads(self) -> int:
        """Heads of keys and values."""
        return self.kv_heads or self.heads

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
        queries, keys = self.heads * self.size_of_head, self.key_heads * self.size_of_head
        maps = {
            "query": (hidden, queries),
            "key": (hidden, keys),
            "value": (hidden, keys),
            "output": (queries, hidden),
            "up": (hidden, inner),
            "down": (inner, hidden),
        }
        architecture = self.architecture
        if self.is_gated:
            maps["gate"] = (hidden, inner)
        for fused in architecture.fused:
            parts = [maps.pop(site) for site in FUSED[fused]]
            maps[fused] = (hidden, sum(outputs for _, outputs in parts))
        return maps

    @property
    def decoder_linear_maps(self) -> dict[str, tuple[int, int]]:
        """Likewise in a layer of the second stack, which attends to the first one's output too."""
        maps = self.linear_maps
        return {**maps, **{f"cross_{site}": maps[site] for site in ATTENTION if site in maps}}

    def has_bias(self, site: str) -> bool:
        """Whether the linear map of that name has a bias."""
        biases = self.architecture.biases
        return any(part in biases for part in FUSED.get(site, (site.removeprefix("cross_"),)))

    @functools.cached_property
    def encoder_parameters(self) -> int:
        """Parameters of the layers of both stacks, with what a stack has beside them (a last norm, distances)."""
        norms = self.architecture.layer_norms
        first = self._stack_parameters(self.layers, self.linear_maps, norms)
        if not self.decoder_layers:
            return first
        return first + self._stack_parameters(self.decoder_layers, self.decoder_linear_maps, norms + 1)

    @functools.cached_property
    def embedding_parameters(self) -> int:
        """Embeddings of tokens, positions, types and distances, their norms, and the matrix of scores where it is one
        of its own. Both stacks look up the same tokens, each its own positions.
        """
        architecture = self.architecture
        rows = self.positions + architecture.position_rows if architecture.position_table else 0
        rows += architecture.norm_tensors if architecture.embedding_norm else 0
        rows = self.vocabulary + architecture.type_rows + rows * (2 if self.decoder_layers else 1)
        hidden_rows = architecture.distance_rows
        if architecture.output_matrix and not self.tied:
            hidden_rows += self.vocabulary
        if self.embedding_size is not None:
            # The map to the hidden size, with its bias.
            hidden_rows += self.embedding_size + 1
        return rows * (self.embedding_size or self.hidden_size) + hidden_rows * self.hidden_size

    @functools.cached_property
    def parameters(self) -> int:
        return self.encoder_parameters + self.embedding_parameters

    def _stack_parameters(self, layers: int, maps: dict[str, tuple[int, int]], norms: int) -> int:
        architecture = self.architecture
        norm = architecture.norm_tensors * self.hidden_size
        layer = sum(inputs * outputs for inputs, outputs in maps.values()) + norms * norm
        layer += sum(outputs for site, (_, outputs) in maps.items() if self.has_bias(site))
        if architecture.head_norms:
            layer += 2 * architecture.norm_tensors * self.size_of_head
        tables = layers if architecture.bucket_tables else 1
        beside = tables * architecture.position_buckets * self.heads
        beside += norm if architecture.final_norm else 0
        beside -= 0 if architecture.first_norm else norm
        return layers * layer + beside


class Exposure(enum.Enum):
    """How a checkpoint met a data set before adaptx trained anything."""

    LABELS = "labelled rows"
    TEXT = "unlabelled text"
    KIND = "other data of the same kind"


@spec
class SeenData:
    """A data set or kind of data that a checkpoint was trained on.

    `what` is a hub id, or a task kind (`nli`, `parallel text`, `question answering`); `languages` empty means all.
    """

    what: Word
    exposure: Exposure
    languages: tuple[str, ...] = ()
    note: str = ""


@keep_hash
@spec
class ModelSpec:
    """A pretrained checkpoint. Its identity is the digest of its weights, so names and paths stay outside it.

    `framing` is how classification reads it, `embedding` how sentence embeddings are taken from it. `layers`: only so
    many of its first ones are there, of both stacks where it has two (`cut` makes such a spec); None: all. `quantised`:
    how the linear maps of its layers are stored, to train LoRA over them (`quantise` makes such a spec); None: as they
    are.
    """

    hub_id: Word = field(metadata=OUTSIDE)
    family: ModelFamily = ModelFamily.ENCODER
    _: KW_ONLY
    framing: Hidden = field(default=Hidden(), metadata=OUTSIDE)
    embedding: Hidden = field(default=Hidden(), metadata=OUTSIDE)
    revision: str | None = field(default=None, metadata=OUTSIDE)
    shape: Shape | None = field(default=None, metadata=OUTSIDE)
    licence: str = field(default="", metadata=OUTSIDE)
    citation: str = field(default="", metadata=OUTSIDE)
    seen: tuple[SeenData, ...] = field(default=(), metadata=OUTSIDE)
    layers: Count | None = None
    quantised: Quantisation | None = None

    def __post_init__(self) -> None:
        check_file_name("ModelSpec(hub_id), its last part", self._last_part)

    @property
    def name(self) -> str:
        """Short name for folders and tables: the last part of the hub id or path; `e5-l6` of a cut checkpoint, `e5-nf4`
        of a quantised one.
        """
        name = self._last_part if self.layers is None else f"{self._last_part}-l{self.layers}"
        return name if self.quantised is None else f"{name}-{self.quantised.value}"

    @property
    def _last_part(self) -> str:
        return self.hub_id.rstrip("/").rsplit("/", 1)[-1]

    def quantise(self, kind: Quantisation) -> "ModelSpec":
        """The checkpoint with the linear maps of its layers stored in few digits.

        LoRA alone is trained over it, and all that starts from it stands on it, too: its states are others than those
        of the checkpoint as it is.
        """
        return replace(self, quantised=kind)

    def cuts(self, *layers: int) -> "tuple[ModelSpec, ...]":
        """Return the checkpoint cut to each number of layers that it has, and whole where it has fewer than any."""
        most = self.shape.layers if self.shape is not None else max(layers)
        return tuple(self.cut(count) for count in layers if count <= most) or (self,)

    def cut(self, layers: int) -> "ModelSpec":
        """The checkpoint's first layers as a model of its own; what comes after the last layer stays (a last norm).

        Real weights at several sizes, but no training has healed the cut, so it stands for no checkpoint that was
        trained at that size.

        Raises:
            UserError: it has not so many layers.
        """
        most = self.shape.layers if self.shape is not None else None
        if layers < 1 or (most is not None and layers > most):
            raise UserError(
                f"{self.name}.cut({layers}): it has {most or 'an unknown number of'} layers, counted from 1"
            )
        if layers == most:
            return self
        shape = self.shape and replace(self.shape, layers=layers, decoder_layers=min(layers, self.shape.decoder_layers))
        return replace(self, layers=layers, shape=shape, embedding=_within(self.embedding, layers),
                       framing=_within(self.framing, layers))  # fmt: skip


def _within(hidden: Hidden, layers: int) -> Hidden:
    """The framing with a layer that is there: the last, where the one named was cut off."""
    return replace(hidden, layer=None) if hidden.layer is not None and hidden.layer > layers else hidden
