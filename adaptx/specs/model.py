"""Models: pretrained checkpoints, their sizes, and how their hidden states are read."""

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
    """How the token vectors of a text become one vector.

    In an encoder-decoder, START reads the decoder at its start token, and all other values read the encoder.
    """

    FIRST = "first token"
    MEAN = "mean over tokens"
    LAST = "last token"
    START = "decoder's start token"


@spec
class Hidden:
    """Framing through hidden states: which layer is read, and how its token vectors become one vector per text.

    Attributes:
        layer: the layer whose output is read, counted from 1. 0 is the embeddings, and None is the last layer.
        pooling: how token vectors become one vector.
        prefix: text written before each text, such as the `query: ` that e5 models were trained with.
        centred: whether the mean vector of queries and the mean vector of candidates are subtracted before vectors are
            compared.
        bidirectional: whether a decoder's tokens also see the tokens after them (BehnamGhader et al. 2024, LLM2Vec,
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
    """The sizes of a checkpoint, from which a plan computes parameters, memory and time.

    Attributes:
        model_type: the architecture, as `model_type` in config.json.
        layers: layers of the encoder, or of the decoder of a decoder-only model.
        hidden_size: elements of a hidden state.
        intermediate_size: elements between the two projections of the feed-forward.
        heads: attention heads per layer.
        vocabulary: rows of the token embeddings.
        positions: length of the longest text in tokens; 0 if the length is not limited.
        decoder_layers: layers of an encoder-decoder's decoder; 0 in other families.
        kv_heads: heads of keys and values; None is `heads`.
        head_size: elements per attention head; None is `hidden_size // heads`.
        tied: whether the output matrix, if there is one, is the embedding matrix.
        gated: whether the feed-forward has a gate; None is the architecture's default.
        embedding_size: elements of an embedding; None is `hidden_size`. If given, a linear map turns embeddings into
            hidden states.
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
        """The facts about the architecture.

        Raises:
            UserError: the architecture is not supported.
        """
        return architecture_of(self.model_type)

    @property
    def is_gated(self) -> bool:
        """Whether the feed-forward has a gate."""
        return self.architecture.gated if self.gated is None else self.gated

    @property
    def feed_forward(self) -> str:
        """The kind of feed-forward as T5's config.json names it: `gated-gelu` with a gate, `relu` without."""
        return "gated-gelu" if self.is_gated else "relu"

    @property
    def stacks(self) -> tuple[LayerStack, ...]:
        """The stacks of layers: one, or an encoder's and a decoder's."""
        architecture = self.architecture
        return architecture.gated_stacks if architecture.either_gated and self.is_gated else architecture.stacks

    @property
    def key_heads(self) -> int:
        """Number of heads of keys and values."""
        return self.kv_heads or self.heads

    @property
    def all_layers(self) -> int:
        """Number of layers, of encoder and decoder together."""
        return self.layers + self.decoder_layers

    @property
    def size_of_head(self) -> int:
        """Number of elements per attention head."""
        return self.head_size or self.hidden_size // self.heads

    @property
    def linear_maps(self) -> dict[str, tuple[int, int]]:
        """The linear maps in a layer of the first stack: name -> (inputs, outputs), such as `up` -> (768, 3072)."""
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
        """The linear maps in a layer of an encoder-decoder's decoder: name -> (inputs, outputs).

        The names are those of `linear_maps`, and `cross_query`, `cross_key`, `cross_value` and `cross_output` for the
        cross-attention.
        """
        maps = self.linear_maps
        return {**maps, **{f"cross_{site}": maps[site] for site in ATTENTION if site in maps}}

    def has_bias(self, site: str) -> bool:
        """Return whether the linear map at a site has a bias."""
        biases = self.architecture.biases
        return any(part in biases for part in FUSED.get(site, (site.removeprefix("cross_"),)))

    @functools.cached_property
    def encoder_parameters(self) -> int:
        """Number of parameters outside the embeddings: in all layers, final norms and tables of distances."""
        norms = self.architecture.layer_norms
        first = self._stack_parameters(self.layers, self.linear_maps, norms)
        if not self.decoder_layers:
            return first
        return first + self._stack_parameters(self.decoder_layers, self.decoder_linear_maps, norms + 1)

    @functools.cached_property
    def embedding_parameters(self) -> int:
        """Number of parameters of the embeddings: tokens, positions, types, distances and their norms.

        A separate output matrix counts too.
        """
        architecture = self.architecture
        rows = self.positions + architecture.position_rows if architecture.position_table else 0
        rows += architecture.norm_tensors if architecture.embedding_norm else 0
        rows = self.vocabulary + architecture.type_rows + rows * (2 if self.decoder_layers else 1)
        hidden_rows = architecture.distance_rows
        if architecture.output_matrix and not self.tied:
            hidden_rows += self.vocabulary
        if self.embedding_size is not None:
            # The linear map from embeddings to hidden states, with its bias.
            hidden_rows += self.embedding_size + 1
        return rows * (self.embedding_size or self.hidden_size) + hidden_rows * self.hidden_size

    @functools.cached_property
    def parameters(self) -> int:
        """Number of parameters of the network. A language model's output matrix counts, other heads do not."""
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
    """The form in which a checkpoint has already seen a data set in training."""

    LABELS = "labelled rows"
    TEXT = "unlabelled text"
    KIND = "other data of the same kind"


@spec
class SeenData:
    """Data that a checkpoint was trained on.

    `what` is a hub id or the kind of a task, such as `nli` or `parallel text`. Empty `languages` means every language.
    """

    what: Word
    exposure: Exposure
    languages: tuple[str, ...] = ()
    note: str = ""


@keep_hash
@spec
class ModelSpec:
    """A pretrained checkpoint.

    The fingerprints of stages depend on the checkpoint's weights, and not on its name or path.

    Attributes:
        hub_id: its id on the hub, or a local folder.
        family: encoder, encoder-decoder or decoder.
        framing: how tasks with a head read its hidden states.
        embedding: how sentence embeddings are read from its hidden states.
        revision: branch, tag or commit on the hub; None is the main branch.
        shape: its sizes; None if they are not known.
        licence: licence of the weights, for reports and exported model cards.
        citation: the paper to cite.
        seen: data that it was already trained on. Reports mention it next to scores on the same data.
        layers: number of layers to use, counted from the first; None uses all. An encoder-decoder uses this number in
            each stack. `cut` sets it.
        quantised: format in which the linear maps of its layers are quantised, or None. `quantise` sets it.
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
        """Short name for folders and tables: the last part of the hub id or path.

        The name of a cut checkpoint ends in its number of layers (`e5-l6`), and the name of a quantised one in its
        format (`e5-nf4`).
        """
        name = self._last_part if self.layers is None else f"{self._last_part}-l{self.layers}"
        return name if self.quantised is None else f"{name}-{self.quantised.value}"

    @property
    def _last_part(self) -> str:
        return self.hub_id.rstrip("/").rsplit("/", 1)[-1]

    def quantise(self, kind: Quantisation) -> "ModelSpec":
        """Return the checkpoint with the linear maps of its layers quantised.

        Only LoRA can be trained over quantised layers. The trained module belongs to the quantised checkpoint, because
        hidden states differ from those of the original.
        """
        return replace(self, quantised=kind)

    def cuts(self, *layers: int) -> "tuple[ModelSpec, ...]":
        """Return the checkpoint cut to each of the given numbers of layers, leaving out those above its own number.

        If all are above it, return the uncut checkpoint alone.
        """
        most = self.shape.layers if self.shape is not None else max(layers)
        return tuple(self.cut(count) for count in layers if count <= most) or (self,)

    def cut(self, layers: int) -> "ModelSpec":
        """Return the checkpoint's first layers as a model of its own.

        A norm after the last layer is kept. The shorter model is not trained further, so it is no substitute for a
        checkpoint that was pretrained at that size.

        Raises:
            UserError: the checkpoint has fewer layers.
        """
        most = self.shape.layers if self.shape is not None else None
        if layers < 1 or (most is not None and layers > most):
            raise UserError(
                f"{self.name}.cut({layers}): it has {most or 'an unknown number of'} layers; "
                "give at least 1 and at most that many"
            )
        if layers == most:
            return self
        shape = self.shape and replace(self.shape, layers=layers, decoder_layers=min(layers, self.shape.decoder_layers))
        return replace(self, layers=layers, shape=shape, embedding=_cut_framing(self.embedding, layers),
                       framing=_cut_framing(self.framing, layers))  # fmt: skip


def _cut_framing(hidden: Hidden, layers: int) -> Hidden:
    return replace(hidden, layer=None) if hidden.layer is not None and hidden.layer > layers else hidden
