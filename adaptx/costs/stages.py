"""Compute the cost of a stage by formulas from its model's shape, without torch or weights.

Work is counted in floating-point operations. A forward pass costs 2 operations per parameter and token. The backward
pass costs 2 more per parameter of every layer, and another 2 per parameter that is trained, for its gradient (Kaplan et
al. 2020, arXiv:2001.08361, section 2.1). Seconds are computed from operations by a rate, which is measured on stages of
the same store or, if there are none, assumed.
"""

import functools
from dataclasses import dataclass

from adaptx.costs.row_counts import Count, stated
from adaptx.costs.step_memory import PackedRow, StepSize, inference_peak_bytes, step_peak_bytes
from adaptx.planning.identity import evaluation_precision
from adaptx.planning.lineage import lineage
from adaptx.specs import (
    Evaluate,
    Fuse,
    GreedySoup,
    Merge,
    Method,
    Mixture,
    ModelSpec,
    ModuleStage,
    Resources,
    Rows,
    Shape,
    Stage,
    Task,
    Train,
)
from adaptx.specs.mixture import epoch_items, task_shares
from adaptx.specs.weight_search import WeightSearch

ASSUMED_FLOPS_PER_SECOND = 1e11
ASSUMED_TOKENS_PER_TEXT = 30
ASSUMED_TEXTS_OF_ROLE = {"pair": 1, "passage": 4}
"""Role of a column -> number of texts that it adds to each row. A passage is about as long as several texts."""
HEAD_ROWS = 3
"""Number of vectors of the hidden size in a typical head, one per label."""
MIXED = 3
"""Number of fp32 vectors of the hidden size, per token, layer and module, that mixing keeps for the backward pass."""
ON_A_CPU = Resources(device="cpu")


@dataclass(frozen=True)
class Cost:
    """The predicted cost of a stage.

    examples, tokens: how many examples and tokens the stage reads. flops: number of operations. seconds: time at the
    assumed or measured rate. peak_memory_bytes: the most memory that torch allocates, if all texts have the stage's
    maximum length; None if no closed form covers the model's family.
    """

    examples: int
    tokens: int
    flops: float
    seconds: float
    peak_memory_bytes: int | None
    trainable_parameters: int


def rows_read(rows: Rows, limit: int | None) -> int | None:
    """Return how many rows of a set are read under a limit; None if its size is unknown and there is no limit."""
    return _least(rows.expected, limit)


def _least(count: int | None, limit: int | None) -> int | None:
    known = [each for each in (count, limit) if each is not None]
    return min(known) if known else None


def rows_of(stage: Stage, count: Count = stated) -> int | None:
    """Return how many distinct rows a training reads or an evaluation scores; None if it is unknown, and for merges."""
    match stage:
        case Train():
            counts = list(_training_row_counts(stage, count).values())
            return None if None in counts else sum(each or 0 for each in counts)
        case Evaluate(task=task, language=language):
            return _least(count(task.rows_in(language), task.format), stage.limit)
        case Merge():
            return None


def trainable_parameters(train: Train, shape: Shape) -> int:
    """Return the number of parameters that the method trains, without the head."""
    if isinstance(train.start, Fuse):
        return train.method.mixing_parameters(train.start.mixing, len(train.start.stages), shape)
    return _module_parameters(train.method, shape)


@functools.cache
def _module_parameters(method: Method, shape: Shape) -> int:
    # Cached, because plans have thousands of stages and few methods.
    return method.parameters(shape)


@functools.cache
def tokens_per_example(task: Task, tokens_per_text: float = ASSUMED_TOKENS_PER_TEXT) -> float:
    """Return the assumed number of tokens in one row: `tokens_per_text` per text. A passage counts as several texts."""
    roles = {role for rows in (*task.train, *task.evaluation) for role, _ in rows.columns}
    further = sum(texts for role, texts in ASSUMED_TEXTS_OF_ROLE.items() if role in roles)
    return (task.format.texts_per_row + further) * tokens_per_text


def _training_row_counts(train: Train, count: Count) -> dict[Task, int | None]:
    found: dict[Task, int | None] = {}
    for task in train.tasks:
        known = [count(rows, task.format) for rows in task.train]
        total = sum(each or 0 for each in known) if None not in known else None
        found[task] = _least(total, train.limit)
    return found


def cost(
    stage: Stage,
    rate: float | None = None,
    tokens_per_text: float = ASSUMED_TOKENS_PER_TEXT,
    resources: Resources = ON_A_CPU,
    count: Count = stated,
) -> Cost | None:
    """Return the stage's cost, or None if the model's shape or the number of rows is unknown.

    rate: operations per second; None for the assumed rate. resources: the device (the CPU if none is named) and
    the micro-batches, on which the memory depends. count: counts the rows of a set.
    """
    rate = rate or ASSUMED_FLOPS_PER_SECOND
    if isinstance(stage, Evaluate):
        return _evaluation_cost(stage, rate, tokens_per_text, resources, count)
    if isinstance(stage, Merge):
        return _merge_cost(stage, rate, tokens_per_text, count)
    shape, rows = stage.model.shape, _training_row_counts(stage, count)
    counts = {task: each for task, each in rows.items() if each is not None}
    if shape is None or len(counts) < len(rows):
        return None
    sampling = stage.task.sampling if isinstance(stage.task, Mixture) else None
    sizes = list(counts.values())
    examples = stage.config.num_steps(epoch_items(sizes, sampling)) * stage.config.batch_size
    shares = task_shares(sizes, sampling) if sampling is not None else [1.0]
    per_example = sum(
        share * tokens_per_example(task, tokens_per_text) for task, share in zip(counts, shares, strict=True)
    )
    tokens = int(examples * per_example)
    trained = trainable_parameters(stage, shape)
    flops = training_flops(tokens, shape, trained)
    peak = longest_peak_bytes(stage, resources)
    return Cost(examples, tokens, flops, flops / rate, peak, trained)


def training_flops(tokens: int, shape: Shape, trained: int) -> float:
    """Return the number of floating-point operations of a training that reads `tokens` tokens.

    trained: number of parameters that are trained.
    """
    return tokens * (4.0 * shape.encoder_parameters + 2.0 * min(trained, shape.encoder_parameters))


def longest_peak_bytes(train: Train, resources: Resources) -> int | None:
    """Return `training_peak_bytes` for a training in which every sequence has the maximum length."""
    longest = train.config.max_length
    sequences = max(task.format.sequences_per_item for task in train.tasks)
    return training_peak_bytes(train, train.config.batch_size * sequences * longest, longest, resources)


def training_peak_bytes(train: Train, batch_tokens: int, longest: int, resources: Resources) -> int | None:
    """Return the peak memory of a training whose largest batch has `batch_tokens` tokens.

    longest: number of tokens in the longest sequence. The result is None if the model's shape is unknown, its weights
    are quantised, or no closed form covers its family.
    """
    shape = train.model.shape
    if shape is None or train.model.quantised is not None:
        return None
    most = resources.largest_micro_batch(train.config.batch_size, batch_tokens, longest)
    below = lineage(train)
    frozen = [stage for stage in (*below.frozen, *below.fused) if not stage.method.whole]
    step = StepSize(
        shape,
        train.method,
        train.config.precision,
        PackedRow(most, longest),
        several=most < batch_tokens,
        trained=trainable_parameters(train, shape) + HEAD_ROWS * shape.hidden_size,
        beside=sum(_module_parameters(stage.method, shape) for stage in frozen),
        gradient_checkpointing=resources.gradient_checkpointing,
        device=resources.device_type,
    )
    peak = step_peak_bytes(step)
    if peak is None or not below.fused:
        return peak
    # For the backward pass, mixing keeps each module's output, and the key and value computed from it.
    return peak + MIXED * len(below.fused) * most * shape.layers * shape.hidden_size * 4


def _parameters_of_own_module(model: ModelSpec | ModuleStage, shape: Shape) -> int:
    if isinstance(model, ModelSpec) or model.method.whole:
        return 0
    return trainable_parameters(model, shape) if isinstance(model, Train) else _module_parameters(model.method, shape)


def _merge_cost(merge: Merge, rate: float, tokens_per_text: float, count: Count) -> Cost | None:
    # A merge costs a few operations per merged parameter, and the scoring during a weight search.
    shape = merge.model.shape
    if shape is None:
        return None
    read = sum(_module_parameters(stage.method, shape) for stage in merge.stages)
    merged = _module_parameters(merge.method, shape)
    flops, examples, tokens = 2.0 * read, 0, 0
    search = merge.rule.search
    if search is not None:
        sizes = [_least(count(rows, search.task.format), search.limit) for rows in search.task.development]
        if None in sizes:
            return None
        examples = _most_scorings(search, len(merge.stages)) * sum(size or 0 for size in sizes)
        tokens = int(examples * tokens_per_example(search.task, tokens_per_text))
        flops += 2.0 * tokens * shape.encoder_parameters
    held = read + merged + (shape.parameters if search is not None or merge.method.whole else 0)
    return Cost(examples, tokens, flops, flops / rate, 4 * held, 0)


def _most_scorings(search: WeightSearch, count: int) -> int:
    return 2 * count - 1 if isinstance(search.by, GreedySoup) else search.by.evaluations


def _evaluation_cost(
    stage: Evaluate, rate: float, tokens_per_text: float, resources: Resources, count: Count
) -> Cost | None:
    model = stage.model
    shape = stage.checkpoint.shape
    num_rows = rows_of(stage, count)
    if shape is None or num_rows is None:
        return None
    # A pool is embedded once for all languages, so each evaluation counts its share.
    pooled = sum(_least(count(rows, stage.task.format), stage.limit) or 0 for rows in stage.task.pool)
    pool = pooled / max(1, len(stage.task.evaluation))
    tokens = int((num_rows + pool) * tokens_per_example(stage.task, tokens_per_text))
    flops = 2.0 * tokens * shape.encoder_parameters
    most = resources.largest_micro_batch(num_rows, tokens, 0)
    beside = _parameters_of_own_module(model, shape)
    peak = inference_peak_bytes(shape, evaluation_precision(stage), PackedRow(most, 0), beside)
    return Cost(num_rows, tokens, flops, flops / rate, peak, 0)
