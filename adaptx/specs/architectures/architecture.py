"""What is known of an architecture of transformers, as one plain value.

Sites and their companions are those of `adaptx.specs.linear_maps`.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self


class ModelFamily(enum.Enum):
    ENCODER = "encoder"
    ENCODER_DECODER = "encoder-decoder"
    DECODER = "decoder"


ATTENTION = ("query", "key", "value", "output")
EVERY_MAP = (*ATTENTION, "up", "gate", "down")


@dataclass(frozen=True)
class LayerStack:
    """Layers of one kind: `layer` is the path of one, with `{}` for its number; `paths` those of its linear maps below
    it, by site, companion (`gate`) or, where one map is several sites', fused name (`query_key_value`).

    `{}` is the path's end. first: the number of the first layer here. layers: how many there are. Both are
    known once placed in a network.
    """

    layer: str
    paths: Mapping[str, str]
    first: int = 0
    layers: int = 0

    def place(self, path: str) -> tuple[int, str] | None:
        """Return the number of the layer that a module lies in and its path below it; None where it lies elsewhere."""
        before = self.layer.removesuffix("{}")
        place, _, inner = path.removeprefix(before).partition(".")
        if not path.startswith(before) or not place.isdigit():
            return None
        return self.first + int(place), inner


@dataclass(frozen=True)
class InsideNorm:
    """The place of bottleneck adapters in layers that end in a norm; `norm` is its path below a layer.

    With s the sum of the feed-forward's output and its residual, the layer's output becomes norm(s + U f(D norm(s)))
    (Pfeiffer et al. 2021, arXiv:2005.00247, section 3.1).
    """

    norm: str


@dataclass(frozen=True)
class AfterLayer:
    """The place of bottleneck adapters in layers that end in a sum: the layer's output y becomes y + U f(D y).

    Norms lie before attention and feed-forward there, or (in Gemma) also before the sum. In the second stack of an
    encoder-decoder the adapter lies after cross-attention and feed-forward alike, at the layer's end.
    """


class ScaledScores(enum.Enum):
    """When states are divided by the root of the hidden size before the matrix of scores over the vocabulary (Raffel
    et al. 2020, released code, mesh_tensorflow/transformer/transformer.py).
    """

    NEVER = "never"
    WHERE_TIED = "where that matrix is the embeddings'"
    WHERE_TIED_IN_4 = "the same, under transformers 4 alone"


@dataclass(frozen=True)
class MaskedHead:
    """The masked-language-model head in checkpoints of an architecture.

    names: how their tensors' names begin -> how those of our head do. optional: tensors of ours that a checkpoint may
    lack; they are zero then.
    """

    names: Mapping[str, str]
    optional: frozenset[str] = frozenset()


@dataclass(frozen=True)
class HeadPlace:
    """Where a linear head lies in a class of transformers.

    dense: the layer before it, which is made the identity; empty: there is none. tanh: a tanh lies between the two.
    settings: entries of the configuration that go with it.
    """

    linear: str
    dense: str = ""
    tanh: bool = False
    settings: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class LibraryHeads:
    """The heads that transformers' own classes hold exactly (`adaptx.exporting.library_heads`); None: no class does.

    tags, spans: over every token. classification, choice: over the first token's vector. masked: masked language
    modelling.
    """

    tags: HeadPlace | None
    spans: HeadPlace | None
    classification: HeadPlace | None
    choice: HeadPlace | None
    masked: bool


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """How transformers' configuration of an architecture is written.

    sizes: entry -> the attribute of a `Shape` that it holds; positions are unbounded where no entry holds them.
    settings: further entries of a network that is built from its shape alone. needed: entries that config.json must
    have with that value. fixed: entries that must have that value if they are there. multiples: entries that must be so
    many times the hidden size if they are there. inner_factor: the intermediate size in hidden sizes, where no entry
    holds it. head_size, embedding_size: what transformers takes where config.json says nothing; None: heads share the
    hidden size, and embeddings are as wide as it.
    """

    sizes: Mapping[str, str]
    settings: Mapping[str, Any]
    needed: Mapping[str, Any] = field(default_factory=dict[str, Any])
    fixed: Mapping[str, Any] = field(default_factory=dict[str, Any])
    multiples: Mapping[str, int] = field(default_factory=dict[str, int])
    inner_factor: int | None = None
    head_size: int | None = None
    embedding_size: int | None = None

    @property
    def bounded(self) -> bool:
        """Whether there is a longest text."""
        return "positions" in self.sizes.values()


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """All facts that the package knows about one `model_type`. Sizes have defaults, since a test counts the parameters
    of every architecture's network; nothing else has.

    Layers. stacks: the paths of linear maps, one stack or two. gated_stacks: those of checkpoints with a gate, where
    others have none. gated: the feed-forward multiplies its up projection by a gate's (a `Shape` may say otherwise).
    fused: maps that are several sites' at once (`adaptx.specs.linear_maps.FUSED`). biases: linear maps that have one.
    norm_tensors: 2 where a norm has a weight and a bias, 1 where it has a weight alone. layer_norms: norms around a
    layer's attention and feed-forward. first_norm: the first layer has them all; else none before its attention.
    head_norms: queries and keys are normed, with one weight for all heads. final_norm: a norm lies beside a stack's
    layers, at their end or over the table of distances.

    Embeddings. embedding_norm: they end in a norm. position_table: positions are learned rows. position_rows: rows of
    that table beyond the longest text. type_rows: rows of the table of token types. position_buckets: rows of a table
    of relative distances, one number per head. bucket_tables: each layer has such a table; else the first one's serves
    its stack. distance_rows: rows of a stack's table of relative distances, a vector each, which goes through the key
    and query maps of every layer. tied: what holds of a config.json that says nothing about ties.

    Reading. padded: why sequences are read one per row, padded to the longest; None: they lie side by side in one row,
    since attention is torch's own and takes the positions it is given. eager: it runs under eager attention alone.
    pooler: the bare network comes with a pooler unless told otherwise. positions_after_padding: the first position is
    the one after the padding token's id. scaled_scores: see there. text_refused: why it is not asked as text; None: it
    is, unless its family writes none. byte_vocabulary: the vocabulary of its checkpoints that read bytes, by a
    tokenizer that tells no places of words or characters; None: there are none.

    Methods. bottleneck: the place of bottleneck adapters; None: not known. whole_sites: sites that are not quantised.

    Other libraries. adapters_refused: why the adapters library's own network with bottleneck adapters does not compute
    the same; None: it does. masked_head: None: checkpoints have none, or one that is not tied to the embeddings.
    library_heads: see there. step_memory: the architecture in `adaptx/costs/step_memory.csv` whose layers are the very
    same; None: not fitted. slow_import: its file in transformers takes seconds to import.
    """

    model_type: str
    family: ModelFamily
    config: Configuration

    stacks: tuple[LayerStack, ...]
    gated_stacks: tuple[LayerStack, ...] = ()
    gated: bool = False
    fused: tuple[str, ...] = ()
    biases: tuple[str, ...] = EVERY_MAP
    norm_tensors: int = 2
    layer_norms: int = 2
    first_norm: bool = True
    head_norms: bool = False
    final_norm: bool = False

    embedding_norm: bool = False
    position_table: bool = False
    position_rows: int = 0
    type_rows: int = 0
    position_buckets: int = 0
    bucket_tables: bool = False
    distance_rows: int = 0
    tied: bool = True

    padded: str | None
    eager: bool
    pooler: bool
    positions_after_padding: bool
    scaled_scores: ScaledScores
    text_refused: str | None
    byte_vocabulary: int | None

    bottleneck: InsideNorm | AfterLayer | None
    whole_sites: tuple[str, ...]

    adapters_refused: str | None
    masked_head: MaskedHead | None
    library_heads: LibraryHeads
    step_memory: str | None
    slow_import: bool

    @property
    def output_matrix(self) -> bool:
        """Whether the network is loaded with scores over the vocabulary."""
        return self.family is not ModelFamily.ENCODER

    @property
    def either_gated(self) -> bool:
        """Whether its checkpoints may have a gate or none."""
        return bool(self.gated_stacks)

    def kin(
        self,
        model_type: str,
        *,
        adapters_refused: str | None,
        library_heads: LibraryHeads,
        step_memory: str | None,
        **changed: Any,
    ) -> Self:
        """Return the architecture that is like this one but for what is given.

        What other libraries and measurements have for it does not follow from its kin's, so it must be given.
        """
        return replace(
            self,
            model_type=model_type,
            adapters_refused=adapters_refused,
            library_heads=library_heads,
            step_memory=step_memory,
            **changed,
        )


def no_class(model_type: str) -> str:
    """Return why the adapters library's network does not compute the same where it has none."""
    return f"the adapters library has no class for {model_type}"


NO_HEADS = LibraryHeads(tags=None, spans=None, classification=None, choice=None, masked=False)
SIZES = {
    "vocab_size": "vocabulary",
    "hidden_size": "hidden_size",
    "intermediate_size": "intermediate_size",
    "num_hidden_layers": "layers",
    "num_attention_heads": "heads",
    "max_position_embeddings": "positions",
}
"""Sizes by the names that BERT's configuration and many others give them."""
