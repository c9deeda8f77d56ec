"""Predict the peak memory of a training step by a formula, without torch or weights.

Weights, gradients and AdamW's moments are counted exactly. The memory of saved activations and temporary tensors is a
sum over products such as tokens x hidden size, each multiplied by a number of bytes. `step_memory.csv` holds these
numbers; `benchmarks/fit_step_memory.py` fits them to the recorded memory of steps of small networks. `adaptx memory`
records a step of the user's own network instead, which is slower.
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
    """The sequences that pass through the network at once.

    tokens: number of tokens in all of them. longest: number of tokens in the longest.
    """

    tokens: int
    longest: int


@dataclass(frozen=True)
class StepSize:
    """The sizes of a training step on which its memory depends.

    row: the largest micro-batch. several: whether the step has several micro-batches, so that accumulated gradients
    exist during all later forward passes. trained: number of parameters that train, including the head's. beside:
    number of parameters in frozen modules.
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
    """Return the most bytes that torch allocates in a step. AdamW's moments are included, so this is for steps after
    the first.

    None if `step_memory.csv` has no entry for this architecture, method, precision and device.
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
        # Gradients replace saved activations during the backward pass, so memory peaks at one of three points: when all
        # activations are saved and there are no gradients yet; at the first layer, when the gradients of all layers
        # exist next to the working memory of one layer; or at the end, when only the gradients are left.
        of_layers = 4 * min(step.trained, step.shape.encoder_parameters)
        working = max(most, of_layers + least, gradients)
    return int(weight_bytes(step) + state + working)


def weight_bytes(step: StepSize) -> int:
    """Return the memory of all weights. Frozen weights have the step's precision; trained weights and modules are in
    fp32.
    """
    backbone = step.shape.parameters
    frozen = 0 if step.method.whole else backbone
    return frozen * BYTES[step.precision] + 4 * (step.trained + step.beside)


def inference_peak_bytes(shape: Shape, precision: Precision, row: PackedRow, beside: int = 0) -> int:
    """Return the peak memory of predicting: all weights, and the hidden states of one layer.

    beside: number of parameters in modules, which are in fp32.
    """
    widest = row.tokens * (4 * shape.hidden_size + 2 * shape.intermediate_size)
    return shape.parameters * BYTES[precision] + 4 * (beside + widest)


def products(shape: Shape, method: Method, row: PackedRow) -> Terms:
    """Return the products to which a step's memory is proportional, by name: `n T D` is layers x tokens x hidden size.

    Letters in a name: n is the number of layers, D the hidden size, I the intermediate size, H the number of attention
    heads, T is `row.tokens` and L is `row.longest`. A method may add names of its own; its `step_sizes` explains them.
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
    # For example, `_fitted()[key]["forward"]["n T D"]` is a number of bytes; `key` is a step's `_key`.
    found: dict[tuple[str | None, ...], dict[str, Terms]] = {}
    lines = (files("adaptx.costs") / "step_memory.csv").read_text().splitlines()
    for device, architecture, method, precision, kept, phase, term, size in list(csv.reader(lines))[1:]:
        phases = found.setdefault((device, architecture, method, precision, kept), {})
        phases.setdefault(phase, {})[term] = float(size)
    return found
