"""Peak memory of a training step in closed form: no torch, no weights, microseconds.

Weights, gradients and AdamW's moments are counted. What the forward pass keeps and what comes and goes beside it grow
linearly with tokens times sizes: a sum of products, each with its bytes. The bytes are read from `step_memory.csv`,
which `benchmarks/fit_step_memory.py` makes from tracked steps of small networks (`adaptx memory`'s way, of which this
is the quick one).
"""

import csv
import functools
from dataclasses import dataclass
from importlib.resources import files

from adaptx.specs import Method, Precision, Shape

PHASES = ("forward", "backward")
BYTES = {"fp32": 4, "bf16": 2}

Terms = dict[str, float]


@dataclass(frozen=True)
class PackedRow:
    """What goes through the network at once. tokens: of all sequences; longest: of one of them."""

    tokens: int
    longest: int


@dataclass(frozen=True)
class StepSize:
    """A training step. row: its largest micro-batch. several: it has more than one, and gradients beside all others.

    trained: parameters that train, the head's among them. beside: further frozen parameters, of modules below.
    """

    shape: Shape
    method: Method
    precision: Precision
    row: PackedRow
    several: bool
    trained: int
    beside: int = 0
    gradient_checkpointing: bool = False
    device: str = "cuda"


def step_peak_bytes(step: StepSize) -> int | None:
    """The most bytes that torch has allocated at once, from the second step on.

    Encoders alone, as long as no other family trains: None for others.
    """
    known = _fitted().get(_key(step.shape, step.method, step.precision, step.gradient_checkpointing, step.device))
    if known is None:
        return None
    terms = products(step.shape, step.method, step.row)
    most = max(_sum(terms, bytes_of) for bytes_of in known.values())
    last = {name: value for name, value in terms.items() if not name.startswith("n")}
    least = max(_sum(last, bytes_of) for bytes_of in known.values())
    gradients, state = 4 * step.trained, 8 * step.trained
    if step.several:
        working = most + gradients
    else:
        # Gradients come as what was kept goes: the peak is at an end, or at the first layer, where those of all layers
        # are there beside what one layer takes.
        of_layers = 4 * min(step.trained, step.shape.encoder_parameters)
        working = max(most, of_layers + least, gradients)
    return int(weight_bytes(step) + state + working)


def weight_bytes(step: StepSize) -> int:
    """Frozen weights in the step's precision; those that train, and those of modules, in fp32."""
    backbone = step.shape.parameters
    frozen = 0 if step.method.whole else backbone
    return frozen * BYTES[step.precision] + 4 * (step.trained + step.beside)


def inference_peak_bytes(shape: Shape, precision: Precision, row: PackedRow, beside: int = 0) -> int:
    """Of predicting: all weights, and one layer's hidden states at their widest (in, out and between, in fp32)."""
    widest = row.tokens * (4 * shape.hidden_size + 2 * shape.intermediate_size)
    return shape.parameters * BYTES[precision] + 4 * (beside + widest)


def products(shape: Shape, method: Method, row: PackedRow) -> Terms:
    """The sizes that memory grows with, by name; `n` is the number of layers, T the row's tokens.

    D and I are hidden and intermediate size, H heads, L the longest sequence; the method says what its own mean.
    """
    hidden, inner = shape.hidden_size, shape.intermediate_size
    layers, tokens = shape.layers, row.tokens
    once: Terms = {"D": hidden, "I": inner, "LH": row.longest * shape.heads}
    own = method.step_sizes(shape)
    once, each, weights = once | own.once, once | own.kept, {"1": 1.0} | own.weights
    return {
        **{f"T {name}": tokens * value for name, value in once.items()},
        **{f"n T {name}": layers * tokens * value for name, value in each.items()},
        **weights,
    }


def _sum(terms: Terms, bytes_of: Terms) -> float:
    return sum(value * bytes_of[name] for name, value in terms.items())


def _key(
    shape: Shape, method: Method, precision: str, gradient_checkpointing: bool, device: str
) -> tuple[str | None, ...]:
    family, layers = "cuda" if device == "cuda" else "cpu", shape.architecture.step_memory
    return (
        family,
        layers,
        type(method).__name__,
        precision,
        "gradient_checkpointing" if gradient_checkpointing else "all kept",
    )


@functools.cache
def _fitted() -> dict[tuple[str | None, ...], dict[str, Terms]]:
    """Step kind -> phase -> bytes of each product."""
    found: dict[tuple[str | None, ...], dict[str, Terms]] = {}
    lines = (files("adaptx.costs") / "step_memory.csv").read_text().splitlines()
    for device, architecture, method, precision, kept, phase, term, size in list(csv.reader(lines))[1:]:
        phases = found.setdefault((device, architecture, method, precision, kept), {})
        phases.setdefault(phase, {})[term] = float(size)
    return found
