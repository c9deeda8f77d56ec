"""A cell of a memory or speed table: one model, one method and one size of training step."""

from dataclasses import dataclass, replace

from adaptx.errors import UserError
from adaptx.planning.support_methods import method_refusal
from adaptx.specs import Method, ModelSpec, Precision, Shape
from adaptx.specs.quantisation import Quantisation

TARGET_TOKENS = 64
"""Number of tokens that an encoder-decoder writes per sequence that it reads."""
NOT_QUANTISED = "none"


@dataclass(frozen=True)
class Cell:
    """A training step of a model and a method, on `batch_size` sequences of `sequence_length` tokens each.

    An encoder classifies its sequences. A decoder predicts each next token. An encoder-decoder reads `sequence_length`
    tokens and writes `TARGET_TOKENS` tokens.

    micro_batch_size: number of sequences in one forward pass (None: all).
    gradient_checkpointing: whether activations inside layers are computed again in the backward pass.
    device: `cpu` or `cuda`.
    quantised: how the frozen linear maps of layers are stored below LoRA (None: in the step's precision).

    Raises:
        UserError: a size is out of range, the model's shape is unknown, or the method does not support the model.
    """

    model: ModelSpec
    method: Method
    batch_size: int = 8
    sequence_length: int = 512
    precision: Precision = "bf16"
    gradient_checkpointing: bool = False
    micro_batch_size: int | None = None
    device: str = "cuda"
    quantised: Quantisation | None = None

    def __post_init__(self) -> None:
        for name in ("batch_size", "sequence_length"):
            if getattr(self, name) < 1:
                raise UserError(f"the {name.replace('_', ' ')} is {getattr(self, name)}, but must be at least 1")
        if self.micro_batch_size is not None and not 1 <= self.micro_batch_size <= self.batch_size:
            raise UserError(
                f"the micro-batch size is {self.micro_batch_size}, but must be between 1 and the batch size "
                f"{self.batch_size}"
            )
        if self.model.shape is None:
            raise UserError(
                f"the shape of {self.model.hub_id} is not known; use a model of the catalog (`adaptx models`) or a "
                "folder with the model's config.json"
            )
        if self.shape.positions and self.sequence_length > self.shape.positions:
            most = self.shape.positions
            raise UserError(
                f"the sequence length is {self.sequence_length}, but {self.model.hub_id} reads at most {most} tokens"
            )
        if (reason := method_refusal(self.method, self.shape)) is not None:
            raise UserError(f"{self.method.modules} on {self.model.hub_id}: {reason}")
        if self.quantised is not None and not self.method.over_quantised:
            raise UserError(
                f"quantised {self.quantised.value} with {self.method.label}: weights can be quantised only below LoRA, "
                "where they stay frozen; use the method lora, or quantised none"
            )

    @property
    def shape(self) -> Shape:
        assert self.model.shape is not None
        return self.model.shape

    @property
    def quantised_name(self) -> str:
        """The kind of quantisation: `nf4`, `int8` or `none`."""
        return NOT_QUANTISED if self.quantised is None else self.quantised.value

    @property
    def micro_batch(self) -> int:
        """Number of sequences in one forward pass."""
        return self.micro_batch_size or self.batch_size

    @property
    def micro_batches(self) -> int:
        return -(-self.batch_size // self.micro_batch)

    @property
    def name(self) -> str:
        parts = [self.model.name, self.method.label]
        if self.quantised is not None:
            parts.append(self.quantised.value)
        parts += [f"{self.batch_size}x{self.sequence_length}", self.precision]
        if self.micro_batch_size is not None:
            parts.append(f"micro-{self.micro_batch_size}")
        return ".".join([*parts, *(["gradient_checkpointing"] if self.gradient_checkpointing else [])])

    def one_micro_batch(self) -> "Cell":
        """Return a cell whose whole step is one micro-batch of this cell."""
        return replace(self, batch_size=self.micro_batch, micro_batch_size=None)


def kind_name(method: str, quantised: str) -> str:
    """Return a label for plots: the method, such as `lora`, or `lora, nf4` if the weights below are quantised."""
    return method if quantised == NOT_QUANTISED else f"{method}, {quantised}"
