"""Full, LoRA, bottleneck; sequential, stacked, fused, merged: what does a gain cost in memory and time?

    adaptx plan recipes/peft_tradeoff.py                          # full size: cost on each GPU type
    adaptx run recipes/peft_tradeoff.py --size small --data DIR   # e5-mini, some minutes on two CPU cores
    adaptx report recipes/peft_tradeoff.py --size small --data DIR --out peft-tradeoff-report

Hypotheses. H1: LoRA and adapters keep most of full fine-tuning's gain at a fraction of its memory. H2: continuing one
module beats mixing several if target rows are few, because the mixing has to be learned. H3: merging adds no cost to
the target training and loses little to the best single task. H4: the order of methods is the same at every model size.

Factors: method (full, LoRA, bottleneck), how two intermediate tasks are carried over (none, one continued, stacked,
fused, merged), model size, target, seed. The report draws score against operations, with the Pareto front.

Full size: XLM-R base and large; MNLI and SQuAD v1.1 before PAWS-X and TyDiQA; three seeds. Small size: e5-mini, whole
and cut to its first 3 layers (without further pretraining); SNLI and SIB-200 topics before 150 rows of NLI; one seed.
"""

from dataclasses import replace
from itertools import product
from types import SimpleNamespace
from typing import Literal

from adaptx import (
    Attention, Bottleneck, Full, Fuse, Linear, Lora, Merge, Merged, Method, ModelSpec, NoHead, Pretrained, Recipe,
    Sequential, Stack, Start, Task, Ties, Train, TrainConfig, evaluations,
)  # fmt: skip
from adaptx.catalog import E5_MINI, MNLI, NLI, PAWSX, SIB200, SNLI, SQUAD, TYDIQA, XLMR_BASE, XLMR_LARGE

METHODS = FULL, LORA, BOTTLENECK = Full(), Lora(), Bottleneck()

SIZES = {
    # The rate of full fine-tuning is that of XTREME's scripts. The rates of LoRA and adapters are our own choices.
    "full": SimpleNamespace(
        models=(XLMR_BASE, XLMR_LARGE),
        seeds=(1, 2, 3),
        batch=32,
        intermediates=(MNLI, SQUAD),
        intermediate_rates={FULL: 1e-5, LORA: 2e-4, BOTTLENECK: 1e-4},
        intermediate_rows=100_000,
        target_epochs={PAWSX: 5, TYDIQA: 5},
        target_rates={FULL: 1e-5, LORA: 2e-4, BOTTLENECK: 1e-4},
        target_rows=20_000,
        fusion_rate=5e-5,
        test_rows=None,
    ),
    # The quickstart's settings, which were chosen on English development rows.
    "small": SimpleNamespace(
        models=(E5_MINI, E5_MINI.cut(3)),
        seeds=(1,),
        batch=16,
        intermediates=(SNLI, SIB200),
        intermediate_rates={FULL: 1e-4, LORA: 3e-3, BOTTLENECK: 1e-3},
        intermediate_rows=1_000,
        target_epochs={NLI: 4},
        target_rates={FULL: 2e-4, LORA: 3e-3, BOTTLENECK: 3e-3},
        target_rows=150,
        fusion_rate=1e-3,
        test_rows=150,
    ),
}


def build(
    size: Literal["full", "small"] = "full", model: ModelSpec | None = None, seeds: tuple[int, ...] | None = None
) -> Recipe:
    """Return a recipe with two intermediate trainings per method, model and seed, and each target after them."""
    chosen = SIZES[size]

    def config(task: Task, seed: int, rate: float, epochs: float) -> TrainConfig:
        tokens = 384 if task.reads_passages else 128
        return TrainConfig(rate, epochs=epochs, batch_size=chosen.batch, seed=seed, precision="bf16", max_length=tokens)

    def intermediate(checkpoint: ModelSpec, seed: int, method: Method, task: Task) -> Train:
        settings = config(task, seed, chosen.intermediate_rates[method], epochs=1)
        return Train(checkpoint, task, method, settings, limit=chosen.intermediate_rows)

    def target(checkpoint: ModelSpec, seed: int, method: Method, task: Task, start: Start) -> Train:
        settings = config(task, seed, chosen.target_rates[method], chosen.target_epochs[task])
        if isinstance(start, Fuse):
            settings = replace(settings, learning_rate=chosen.fusion_rate, head_learning_rate=settings.learning_rate)
        return Train(checkpoint, task, method, settings, start, limit=chosen.target_rows)

    measured = []
    for checkpoint, seed, method in product((model,) if model else chosen.models, seeds or chosen.seeds, METHODS):
        both = tuple(intermediate(checkpoint, seed, method, task) for task in chosen.intermediates)
        starts = [Pretrained(), *map(Sequential, both)]
        # A full fine-tuning can be neither stacked nor fused.
        if method != FULL:
            starts += [Stack(both), Fuse(both, Attention(rank=16) if method == LORA else Attention())]
        starts.append(Merged(Merge(both, Ties() if method == LORA else Linear(), NoHead())))
        for start, task in product(starts, chosen.target_epochs):
            measured += evaluations(target(checkpoint, seed, method, task, start), task, limit=chosen.test_rows)
    return Recipe(
        f"peft-tradeoff-{size}",
        tuple(measured),
        title="What a gain costs: full fine-tuning, LoRA and adapters; sequential, stacked, fused and merged",
        question="Full, LoRA, bottleneck; sequential, stacked, fused, merged: what does a gain cost in memory "
        "and time?",
        notes=(f"Size: {size}.",),
    )
