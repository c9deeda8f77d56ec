"""Full, LoRA, bottleneck; sequential, stacked, fused, merged: what does a gain cost in memory and time?

    adaptx plan recipes/peft_tradeoff.py                          # full size: cost on each GPU type
    adaptx run recipes/peft_tradeoff.py --size small --data DIR   # e5-mini, some minutes on two CPU cores
    adaptx report recipes/peft_tradeoff.py --size small --data DIR --out peft-tradeoff-report

Hypotheses. H1: LoRA and adapters keep most of full fine-tuning's gain at a fraction of its memory. H2: continuing one
module beats mixing several when target rows are few, since mixing layers have to be learned. H3: merging costs
nothing in the target training and loses little against the best single intermediate task. H4: the order of methods is
the same at every model size.

Factors: method (full, LoRA, bottleneck), how two intermediate tasks are carried over (none, one continued, both
stacked, fused, merged), model size, target, seed. The report draws gain against seconds and peak memory, with their
Pareto front.

Full size: XLM-R base and large; MNLI and SQuAD v1.1 before PAWS-X and TyDiQA; three seeds. Small size: e5-mini whole
and cut to its first 3 layers (no training has healed the cut); SNLI and SIB-200 topics before 150 rows of NLI; one
seed.
"""

from dataclasses import dataclass
from typing import Literal

from adaptx import (
    Attention,
    Bottleneck,
    Evaluate,
    Full,
    Fuse,
    Linear,
    Lora,
    Merge,
    Merged,
    Method,
    ModelSpec,
    NoHead,
    Pretrained,
    Recipe,
    Sequential,
    Stack,
    Start,
    Task,
    Ties,
    Train,
    TrainConfig,
)
from adaptx.catalog import E5_MINI, MNLI, NLI, PAWSX, SIB200, SNLI, SQUAD, TYDIQA, XLMR_BASE, XLMR_LARGE

FULL, LORA, BOTTLENECK = Full(), Lora(), Bottleneck()
METHODS: tuple[Method, ...] = (FULL, LORA, BOTTLENECK)


@dataclass(frozen=True)
class Size:
    """What the two sizes differ in. rates: method -> (intermediate, target); fusion_rate: of mixing layers. rows: of an
    intermediate training and a target's; None: all there are.
    """

    models: tuple[ModelSpec, ...]
    seeds: tuple[int, ...]
    intermediates: tuple[Task, Task]
    targets: dict[Task, float]
    rates: dict[Method, tuple[float, float]]
    fusion_rate: float
    batch: int
    rows: tuple[int | None, int | None]
    test_rows: int | None = None


SIZES = {
    # Full fine-tuning's rate is that of XTREME's scripts; LoRA's and adapters' are choices.
    "full": Size(
        (XLMR_BASE, XLMR_LARGE),
        (1, 2, 3),
        (MNLI, SQUAD),
        {PAWSX: 5, TYDIQA: 5},
        {FULL: (1e-5, 1e-5), LORA: (2e-4, 2e-4), BOTTLENECK: (1e-4, 1e-4)},
        5e-5,
        32,
        (100_000, 20_000),
    ),
    # As the quickstart's, which were chosen on English development rows.
    "small": Size(
        (E5_MINI, E5_MINI.cut(3)),
        (1,),
        (SNLI, SIB200),
        {NLI: 4},
        {FULL: (1e-4, 2e-4), LORA: (3e-3, 3e-3), BOTTLENECK: (1e-3, 3e-3)},
        1e-3,
        16,
        (1_000, 150),
        150,
    ),
}


def build(
    size: Literal["full", "small"] = "full", model: ModelSpec | None = None, seeds: tuple[int, ...] | None = None
) -> Recipe:
    """Two intermediate trainings a method, model and seed, carried over to each target in every way the method has."""
    chosen = SIZES[size]

    def config(task: Task, seed: int, rate: float, epochs: float, head_rate: float | None = None) -> TrainConfig:
        long = any(rows.column("context") for rows in task.train)
        return TrainConfig(
            learning_rate=rate,
            head_learning_rate=head_rate,
            epochs=epochs,
            batch_size=chosen.batch,
            seed=seed,
            precision="bf16",
            max_length=384 if long else 128,
        )

    def intermediate(checkpoint: ModelSpec, task: Task, method: Method, seed: int) -> Train:
        settings = config(task, seed, chosen.rates[method][0], 1)
        return Train(checkpoint, task, method, settings, limit=chosen.rows[0])

    def target(checkpoint: ModelSpec, task: Task, method: Method, seed: int, start: Start) -> Train:
        rate = chosen.rates[method][1]
        fuses = isinstance(start, Fuse)
        settings = config(
            task, seed, chosen.fusion_rate if fuses else rate, chosen.targets[task], rate if fuses else None
        )
        return Train(checkpoint, task, method, settings, start, limit=chosen.rows[1])

    trained = [
        target(checkpoint, task, method, seed, start)
        for checkpoint in ((model,) if model is not None else chosen.models)
        for seed in seeds or chosen.seeds
        for method in METHODS
        for start in starts(
            method, tuple(intermediate(checkpoint, task, method, seed) for task in chosen.intermediates)
        )
        for task in chosen.targets
    ]
    return Recipe(
        f"peft-tradeoff-{size}",
        tuple(
            Evaluate(each, task, language, limit=chosen.test_rows)
            for each in trained
            for task in each.tasks
            for language in task.languages
        ),
        title="What a gain costs: full fine-tuning, LoRA and adapters; sequential, stacked, fused and merged",
        question="Full, LoRA, bottleneck; sequential, stacked, fused, merged: what does a gain cost in memory "
        "and time?",
        notes=(f"Size: {size}.",),
    )


def starts(method: Method, trained: tuple[Train, ...]) -> tuple[Start, ...]:
    """Every way in which modules of a method can be carried over; full fine-tunings are neither stacked nor fused."""
    sequential = (Pretrained(), *map(Sequential, trained))
    match method:
        case Full():
            return (*sequential, Merged(Merge(trained, Linear(), NoHead())))
        case Lora():
            fused = Fuse(trained, Attention(rank=16))
            return (*sequential, Stack(trained), fused, Merged(Merge(trained, Ties(), NoHead())))
        case Bottleneck():
            return (*sequential, Stack(trained), Fuse(trained), Merged(Merge(trained, Linear(), NoHead())))
