"""What a stage will cost, in closed form over the catalog's shapes: no torch, no weights.

Work is counted in floating-point operations: a forward pass costs 2 per parameter and token, the backward pass 2
more through every layer and 2 more for the gradients of weights that train (Kaplan et al. 2020, arXiv:2001.08361,
section 2.1). Seconds follow from a rate measured on stages of the same store, else from an assumed one.
"""

from dataclasses import dataclass

from adaptx.specs import Bottleneck, Evaluate, Full, Fuse, Lora, Retrieval, Rows, Shape, Stage, Train

ASSUMED_FLOPS_PER_SECOND = 1e11
ASSUMED_TOKENS_PER_TEXT = 30
BYTES = {"fp32": 4, "bf16": 2}


@dataclass(frozen=True)
class Cost:
    """Examples and tokens read, operations, seconds at the rate, bytes at the peak of a step (rough)."""

    examples: int
    tokens: int
    flops: float
    seconds: float
    peak_memory_bytes: int
    trainable_parameters: int


def rows_read(rows: Rows, limit: int | None) -> int | None:
    """Rows expected of one set under a limit; None where neither is known."""
    known = [count for count in (rows.expected, limit) if count is not None]
    return min(known) if known else None


def num_steps(train: Train, num_rows: int) -> int:
    """Optimiser steps of a training over so many rows; the last batch of an epoch may be short."""
    config = train.config
    if config.max_steps is not None:
        return config.max_steps
    assert config.epochs is not None
    return max(1, -(-int(num_rows * config.epochs + 0.5) // config.batch_size))


def trainable_parameters(train: Train, shape: Shape) -> int:
    """Parameters that the method trains, the head left out."""
    d, f = shape.hidden_size, shape.intermediate_size
    match train.method:
        case _ if isinstance(train.start, Fuse):
            return shape.layers * (3 * d * d + 2 * d)
        case Full():
            return shape.parameters
        case Lora(rank=rank, sites=sites):
            return shape.layers * sum(rank * (d + f if site in ("up", "down") else 2 * d) for site in sites)
        case Bottleneck(reduction_factor=factor):
            bottleneck = int(d // factor)
            return shape.layers * (2 * d * bottleneck + bottleneck + d)


def cost(stage: Stage, rate: float | None = None, tokens_per_text: float = ASSUMED_TOKENS_PER_TEXT) -> Cost | None:
    """The stage's cost, or None where the model's shape or the row count is not known."""
    model = stage.model.model if isinstance(stage, Evaluate) and isinstance(stage.model, Train) else stage.model
    shape = getattr(model, "shape", None)
    rows = stage.task.train if isinstance(stage, Train) else (stage.task.rows_in(stage.language),)
    counts = [rows_read(entry, stage.limit) for entry in rows]
    if shape is None or any(count is None for count in counts):
        return None
    num_rows = sum(count for count in counts if count is not None)
    texts = 2 if isinstance(stage.task.format, Retrieval) or rows[0].column("pair") else 1
    rate = rate or ASSUMED_FLOPS_PER_SECOND
    if isinstance(stage, Evaluate):
        tokens = int(num_rows * texts * tokens_per_text)
        flops = 2.0 * tokens * shape.encoder_parameters
        return Cost(num_rows, tokens, flops, flops / rate, 4 * shape.parameters, 0)
    examples = num_steps(stage, num_rows) * stage.config.batch_size
    tokens = int(examples * texts * tokens_per_text)
    trained = trainable_parameters(stage, shape)
    flops = tokens * (4.0 * shape.encoder_parameters + 2.0 * min(trained, shape.encoder_parameters))
    return Cost(
        examples, tokens, flops, flops / rate, _peak_bytes(stage, shape, trained, texts * tokens_per_text), trained
    )


def _peak_bytes(train: Train, shape: Shape, trained: int, tokens_per_example: float) -> int:
    """Weights, gradients, two optimiser moments and the activations kept for the backward pass of one batch."""
    element = BYTES[train.config.precision]
    frozen = shape.parameters - (trained if isinstance(train.method, Full) else 0)
    weights = frozen * element + trained * 4
    state = trained * 4 * 3
    tokens = min(tokens_per_example, train.config.max_length) * train.config.batch_size
    activations = int(tokens * shape.layers * (14 * shape.hidden_size + 3 * shape.intermediate_size) * element)
    return weights + state + activations
