"""The facts about an architecture of transformers, as one plain value.

Linear maps have the names that `adaptx.specs.linear_maps` defines: sites, companions and fused names.
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
    """A stack of layers of one kind, such as an encoder, with the paths of its linear maps inside a network.

    Attributes:
        layer: dotted path of a layer. It ends in `{}`, which stands for the layer's index in its stack.
        paths: name of each linear map -> its dotted path inside a layer. The name is a site, a companion (`gate`) or,
            if one map serves several sites, a fused name (`query_key_value`).
        first: index of the stack's first layer among the layers of all stacks. It is 0 until the stack is placed in a
            network.
        layers: number of layers. It is 0 until the stack is placed in a network.
    """

    layer: str
    paths: Mapping[str, str]
    first: int = 0
    layers: int = 0

    def place(self, path: str) -> tuple[int, str] | None:
        """Return the index of the layer that contains a module, and the module's path inside that layer.

        The index counts the layers of all stacks. The result is None if the module does not lie in this stack.
        """
        before = self.layer.removesuffix("{}")
        place, _, inner = path.removeprefix(before).partition(".")
        if not path.startswith(before) or not place.isdigit():
            return None
        return self.first + int(place), inner


@dataclass(frozen=True)
class InsideNorm:
    """The place of bottleneck adapters in layers that end in a norm.

    Let s be the sum of the feed-forward's output and its residual. With the adapter's projections D and U and its
    activation f, the layer's output becomes norm(s + U f(D norm(s))) (Pfeiffer et al. 2021, arXiv:2005.00247, section
    3.1). `norm` is the path of that norm inside a layer.
    """

    norm: str


@dataclass(frozen=True)
class AfterLayer:
    """The place of bottleneck adapters in layers that end in a sum: the layer's output y becomes y + U f(D y).

    Such layers have norms before attention and before the feed-forward. Gemma's layers also have norms before the sum.
    In the decoder of an encoder-decoder, the adapter also lies at the end of the layer, after cross-attention and
    feed-forward.
    """


class ScaledScores(enum.Enum):
    """The cases in which hidden states are divided by sqrt(hidden size) before the output matrix multiplies them.

    The output matrix gives the scores over the vocabulary. T5 divides its states if that matrix is tied to the
    embeddings (Raffel et al. 2020, released code, mesh_tensorflow/transformer/transformer.py).
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
    """The place of a linear head in a model class of transformers, with what the class computes before the head.

    Attributes:
        linear: path of the linear head, such as `classifier`.
        dense: path of the layer before the linear head, whose weights are set to the identity; empty if there is none.
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
        tags: place of a tagging head, which reads every token.
        spans: place of a question-answering head, which reads every token.
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
    """How the configuration (config.json) of an architecture is written in transformers.

    Attributes:
        sizes: entry of config.json -> attribute of `Shape` that the entry holds (`num_hidden_layers` -> `layers`). If
            no entry holds `positions`, texts may have any length.
        settings: further entries for a network that is built from a `Shape` alone, such as BERT's `type_vocab_size`.
        needed: entries that config.json must have, with their values.
        fixed: entries that, if config.json has them, must have these values.
        multiples: entries that, if config.json has them, must equal this many times the hidden size, such as 4 times
            for BLOOM's `n_inner`.
        inner_factor: intermediate size divided by hidden size, if no entry holds the intermediate size.
        head_size: size of an attention head if config.json has no entry for it; None means the hidden size divided by
            the number of heads.
        embedding_size: size of an embedding if config.json has no entry for it; None means the hidden size.
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
        """Return whether the length of a text is limited."""
        return "positions" in self.sizes.values()


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """All facts that adaptx knows about one `model_type`.

    Facts about layers and embeddings may have defaults, because a test counts the parameters of every architecture's
    network, and so finds wrong values. Every other fact has to be stated.

    Attributes of layers:
        stacks: the only stack of layers, or the encoder's and the decoder's, with the paths of their linear maps.
        gated_stacks: the stacks of the checkpoints that have a gate, if other checkpoints of the architecture (T5) have
            none. `stacks` then describes the checkpoints without a gate. Otherwise, `gated_stacks` is empty.
        gated: whether the feed-forward multiplies its up projection by a gate, unless `Shape.gated` says otherwise.
        fused: linear maps that serve several sites at once (`adaptx.specs.linear_maps.FUSED`).
        biases: linear maps that have a bias.
        norm_tensors: 2 if a norm has weight and bias, 1 if it has only a weight.
        layer_norms: number of norms around a layer's attention and feed-forward.
        first_norm: whether the first layer has all of these norms. Otherwise it lacks the norm before its attention.
        head_norms: whether queries and keys are normed, with one weight for all heads.
        final_norm: whether a stack has a norm after its last layer or, as in DeBERTa, over its table of distances.

    Attributes of embeddings:
        embedding_norm: whether embeddings are normed.
        position_table: whether positions are a learned table.
        position_rows: number of rows by which that table exceeds the length of the longest text, such as 2 in mBART.
        type_rows: rows of the table of token types.
        position_buckets: rows of the table of relative distances, if it holds one number per distance and head;
            otherwise 0.
        bucket_tables: whether each layer has its own table of relative distances, as in umT5. If not, all layers of a
            stack use the table of its first layer.
        distance_rows: rows of a stack's table of relative distances, if it holds one vector per distance; otherwise 0.
            Every layer applies its key and query maps to this table.
        tied: whether the output matrix is the embedding matrix, for checkpoints whose config.json does not say it.

    Attributes of input and forward pass:
        padded: why sequences cannot be packed one after the other into a single row. A batch then has one sequence per
            row, padded to the longest. None means that they are packed, which works if the network uses torch's own
            attention and takes positions as an input.
        eager: whether the network runs only with eager attention.
        pooler: whether the bare network has a pooler by default.
        positions_after_padding: whether positions start after the padding token's id, as in RoBERTa.
        scaled_scores: in which cases hidden states are scaled before the output matrix.
        text_refused: why an encoder-decoder or decoder cannot have a `Text` framing; None if it can, and for encoders.
        byte_vocabulary: vocabulary size of the architecture's checkpoints that read bytes (384 in ByT5); None if no
            checkpoint does. Their tokenizer does not report where in a text a token lies.

    Attributes of methods:
        bottleneck: place of bottleneck adapters; None if it is not known.
        whole_sites: sites whose linear maps are never quantised, such as `down` in T5.

    Attributes of other libraries:
        adapters_refused: why the adapters library, given the same bottleneck adapters, computes something else than
            adaptx; None if it computes the same.
        masked_head: the masked-language-model head in checkpoints; None if they have no such head, or one whose output
            matrix is not the embedding matrix.
        library_heads: heads that transformers' classes can hold.
        step_memory: `model_type` whose rows in `adaptx/costs/step_memory.csv` are used, because that architecture has
            the same layers (`bert` for XLM-R); None if no rows fit.
        slow_import: whether importing its module of transformers takes seconds.
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
        """Return whether the network is loaded with its output matrix, which gives scores over the vocabulary."""
        return self.family is not ModelFamily.ENCODER

    @property
    def either_gated(self) -> bool:
        """Return whether some of the architecture's checkpoints have a gate and others do not."""
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
        """Return a copy of this architecture with the given facts in place of its own.

        `adapters_refused`, `library_heads` and `step_memory` must be given, because the copy may differ in them.
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
    """Return the value of `adapters_refused` for an architecture that the adapters library does not have."""
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
