"""The facts about an architecture of transformers.

Linear maps have the names that `adaptx.specs.linear_maps` defines.
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
    """The layers of an encoder, or those of a decoder.

    Attributes:
        layer: dotted path of a layer in the network. The path ends in `{}`, which stands for the layer's index in its
            stack.
        paths: name of each linear map -> its dotted path inside a layer. A linear map that serves several sites has a
            fused name, such as `query_key_value`.
        first: index of the stack's first layer among the layers of all stacks. It is 0 before `Sites.placed`.
        layers: number of layers. It is 0 before `Sites.placed`.
    """

    layer: str
    paths: Mapping[str, str]
    first: int = 0
    layers: int = 0

    def place(self, path: str) -> tuple[int, str] | None:
        """Split a path in the network into the index of a layer and the path inside that layer.

        The index counts the layers of all stacks. The result is None if the path does not lead into this stack.
        """
        before = self.layer.removesuffix("{}")
        place, _, inner = path.removeprefix(before).partition(".")
        if not path.startswith(before) or not place.isdigit():
            return None
        return self.first + int(place), inner


@dataclass(frozen=True)
class InsideNorm:
    """The place of bottleneck adapters in layers that end in a norm.

    The layer's output becomes norm(s + U f(D norm(s))), where s is the sum of the feed-forward's output and its
    residual, D the adapter's down projection, f its activation and U its up projection (Pfeiffer et al. 2021,
    arXiv:2005.00247, section 3.1). `norm` is the path of that norm inside a layer.
    """

    norm: str


@dataclass(frozen=True)
class AfterLayer:
    """The place of bottleneck adapters in layers that end in a sum.

    The layer's output y becomes y + U f(D y), where D is the adapter's down projection, f its activation and U its up
    projection.
    """


class ScaledScores(enum.Enum):
    """The cases in which hidden states are divided by sqrt(hidden size) before the output matrix multiplies them.

    T5 divides them if the output matrix is the embedding matrix (Raffel et al. 2020, released code,
    mesh_tensorflow/transformer/transformer.py).
    """

    NEVER = "never"
    WHERE_TIED = "if the output matrix is the embedding matrix"
    WHERE_TIED_IN_4 = "if the output matrix is the embedding matrix, under transformers 4 only"


@dataclass(frozen=True)
class MaskedHead:
    """The masked-language-model head in the checkpoints of an architecture.

    Attributes:
        names: prefix of tensor names in a checkpoint (`lm_head.dense.`) -> their prefix in adaptx's head (`dense.`).
        optional: tensors of adaptx's head, such as `dense.bias`, that a checkpoint may lack. They are zero then.
    """

    names: Mapping[str, str]
    optional: frozenset[str] = frozenset()


@dataclass(frozen=True)
class HeadPlace:
    """The place of a linear head in a model class of transformers.

    Attributes:
        linear: path of the linear head, such as `classifier`.
        dense: path of the layer before the linear head. Its weights are set to the identity. Empty if there is none.
        tanh: whether the class applies a tanh between `dense` and `linear`.
        settings: pairs (entry of config.json, value) that this head needs, such as ("pooler_hidden_act", "linear").
    """

    linear: str
    dense: str = ""
    tanh: bool = False
    settings: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class LibraryHeads:
    """The places in transformers that can hold the heads of adaptx (`adaptx.exporting.library_heads`).

    A place is None if no model class of transformers can hold such a head.

    Attributes:
        tags: place of a tagging head.
        spans: place of a question-answering head.
        classification: place of a classification head that reads the first token's vector.
        choice: place of a multiple-choice head that reads the first token's vector.
        masked: whether there is a model class for masked language modelling.
    """

    tags: HeadPlace | None
    spans: HeadPlace | None
    classification: HeadPlace | None
    choice: HeadPlace | None
    masked: bool


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """The entries of config.json that describe an architecture in transformers.

    Attributes:
        sizes: entry -> the attribute of `Shape` that it holds (`num_hidden_layers` -> `layers`). If no entry holds
            `positions`, texts may have any length.
        settings: further entries for a network that is built from a `Shape` alone, such as BERT's `type_vocab_size`.
        needed: entry -> value that it must have. The entry must exist.
        fixed: entry -> value that it must have. The entry may be absent.
        multiples: entry -> factor. The entry must be the hidden size times this factor, such as 4 for BLOOM's
            `n_inner`. The entry may be absent.
        inner_factor: intermediate size divided by hidden size, for architectures without an entry for the intermediate
            size.
        head_size: default size of an attention head. None is the hidden size divided by the number of heads.
        embedding_size: default size of an embedding. None is the hidden size.
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
        """Whether the length of a text is limited."""
        return "positions" in self.sizes.values()


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """All facts that adaptx knows about one `model_type`.

    Attributes of layers:
        stacks: the only stack of layers, or the encoder's and the decoder's.
        gated_stacks: the stacks of checkpoints with a gate, if the architecture (T5) also has checkpoints without a
            gate. `stacks` then describes those without. Otherwise, `gated_stacks` is empty.
        gated: whether the feed-forward multiplies its up projection by a gate. `Shape.gated` can override it.
        fused: linear maps that serve several sites at once (`adaptx.specs.linear_maps.FUSED`).
        biases: linear maps that have a bias.
        norm_tensors: 2 if a norm has weight and bias, 1 if it has only a weight.
        layer_norms: number of norms around a layer's attention and feed-forward.
        first_norm: False if the first layer lacks the norm before its attention.
        head_norms: whether queries and keys are normed, with one weight for all heads.
        final_norm: whether a stack has a norm outside its layers: after the last one or, in DeBERTa, over its table of
            distances.

    Attributes of embeddings:
        embedding_norm: whether embeddings are normed.
        position_table: whether positions are a learned table.
        position_rows: number of rows by which that table exceeds the length of the longest text, such as 2 in mBART.
        type_rows: rows of the table of token types.
        position_buckets: rows of the table with one number per relative distance and head; 0 if there is no such table.
        bucket_tables: whether each layer has such a table, as in umT5. Otherwise, only the first layer has one.
        distance_rows: rows of the table with one vector per relative distance; 0 if there is no such table.
        tied: whether the output matrix is the embedding matrix, for checkpoints whose config.json does not say it.

    Attributes of input and forward pass:
        padded: the reason why each sequence of a batch gets a padded row of its own. None means that a batch is one
            row, in which its sequences follow one another.
        eager: whether the network runs only with eager attention.
        pooler: whether the bare network has a pooler by default.
        positions_after_padding: whether positions start after the padding token's id, as in RoBERTa.
        scaled_scores: in which cases hidden states are scaled before the output matrix.
        text_refused: why an encoder-decoder or decoder cannot have a `Text` framing; None if it can, and for encoders.
        byte_vocabulary: vocabulary size of the checkpoints that read bytes (384 in ByT5); None if there are none.

    Attributes of methods:
        bottleneck: place of bottleneck adapters; None if it is not known.
        whole_sites: sites whose linear maps are never quantised, such as `down` in T5.

    Attributes of other libraries:
        adapters_refused: why bottleneck adapters compute something else in the adapters library than in adaptx; None if
            they compute the same.
        masked_head: the masked-language-model head in checkpoints. None if there is none, or if its output matrix is
            not the embedding matrix.
        library_heads: heads that transformers' classes can hold.
        step_memory: the `model_type` whose measurements in `adaptx/costs/step_memory.csv` apply, such as `bert` for
            XLM-R; None if none apply.
        slow_import: whether importing the architecture's Python module in transformers takes seconds.
    """

    model_type: str
    family: ModelFamily
    config: Configuration

    # Facts about layers and embeddings may have defaults: a test counts the parameters of every architecture's network.
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

    # Packing needs torch's own attention and positions as an input.
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
        """Whether the network has an output matrix, which gives scores over the vocabulary."""
        return self.family is not ModelFamily.ENCODER

    @property
    def either_gated(self) -> bool:
        """Whether some of the architecture's checkpoints have a gate and others do not."""
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
        """Return a copy for a related architecture, with the given facts in place of this one's.

        Three facts must be given, because relatives often differ in them.
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
    """Return the reason (`adapters_refused`) for an architecture that the adapters library does not have."""
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
"""`Configuration.sizes` of BERT, whose names many architectures share."""
