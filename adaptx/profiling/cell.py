"""One cell of a memory or speed table: which model is trained how, on how much."""

from dataclasses import dataclass, replace

from adaptx.errors import UserError
from adaptx.planning.support_methods import method_refusal
from adaptx.specs import Method, ModelSpec, Precision, Shape
from adaptx.specs.quantisation import Quantisation

TARGET_TOKENS = 64
"""What an encoder-decoder writes for each sequence that it reads."""
NOT_QUANTISED = "none"


@dataclass(frozen=True)
class Cell:
    """A training step of `batch_size` sequences of `sequence_length` tokens each.

    An encoder classifies its sequences; a decoder predicts each next token; an encoder-decoder reads `sequence_length`
    and writes `TARGET_TOKENS` tokens. micro_batch_size: sequences in one forward pass (None: all).
    gradient_checkpointing: activations inside layers are computed again in the backward pass. device: `cpu` or `cuda`.
    quantised: how the frozen linear maps of layers are stored below LoRA (None: in the step's precision).
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
                raise UserError(f"{name.replace('_', ' ')} {getattr(self, name)}: it must be at least 1")
        if self.micro_batch_size is not None and not 1 <= self.micro_batch_size <= self.batch_size:
            raise UserError(
                f"micro-batch size {self.micro_batch_size}: it is between 1 and the batch size {self.batch_size}"
            )
        if self.model.shape is None:
            raise UserError(
                f"the shape of {self.model.hub_id} is not known: name a model of the catalog (`adaptx models`) or a "
                "folder with its config.json"
            )
        if self.shape.positions and self.sequence_length > self.shape.positions:
            most = self.shape.positions
            raise UserError(f"sequence length {self.sequence_length}: {self.model.hub_id} reads at most {most} tokens")
        if (reason := method_refusal(self.method, self.shape)) is not None:
            raise UserError(f"{self.method.modules} on {self.model.hub_id}: {reason}")
        if self.quantised is not None and not self.method.over_quantised:
            raise UserError(
                f"quantised {self.quantised.value} with {self.method.label}: weights are stored in few digits "
                "below LoRA alone, where they stay frozen; take the method lora, or none quantised"
            )

    @property
    def shape(self) -> Shape:
        assert self.model.shape is not None
        return self.model.shape

    @property
    def quantised_name(self) -> str:
        """`nf4`, `int8` or `none`."""
        return NOT_QUANTISED if self.quantised is None else self.quantised.value

    @property
    def micro_batch(self) -> int:
        """Sequences of one forward pass."""
        return self.micro_batch_size or self.batch_size

    @property
    def micro_batches(self) -> int:
        return -(-self.batch_size // self.micro_batch)

    @property
    def name(self) -> str:
        """For folders and lines of progress."""
        parts = [self.model.name, self.method.label]
        if self.quantised is not None:
            parts.append(self.quantised.value)
        parts += [f"{self.batch_size}x{self.sequence_length}", self.precision]
        if self.micro_batch_size is not None:
            parts.append(f"micro-{self.micro_batch_size}")
        return ".".join([*parts, *(["gradient_checkpointing"] if self.gradient_checkpointing else [])])

    def one_micro_batch(self) -> "Cell":
        """A step of one micro-batch alone."""
        return replace(self, batch_size=self.micro_batch, micro_batch_size=None)


def kind_name(method: str, quantised: str) -> str:
    """A method's name and how the weights below it are stored, for the lines of a plot."""
    return method if quantised == NOT_QUANTISED else f"{method}, {quantised}"
