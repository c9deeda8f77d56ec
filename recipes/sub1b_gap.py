"""Below 1B parameters: does single-task or multi-task intermediate training close more of the generalisation gap?

    adaptx plan recipes/sub1b_gap.py                          # full size: cost on each GPU type
    adaptx run recipes/sub1b_gap.py --size small --data DIR   # e5-mini, some minutes on two CPU cores
    adaptx report recipes/sub1b_gap.py --size small --data DIR --out sub1b-gap-report

The gap is the English score minus the mean score of the other languages. Hypotheses. H1: both kinds of intermediate
training make the gap smaller than the baseline's. H2: multi-task training closes more of the gap than the average
single task, and less than the best one. H3: the smaller the model, the larger the difference between the two kinds.

Factors: what is trained before the target (nothing, each single task, or their mixture with about as many examples),
model, target, seed. The report prints the gap of each variant and its difference from the baseline's.

Full size: XLM-R base (278M) and large (560M) with LoRA; MNLI, SQuAD v1.1, HellaSwag and their mixture; five targets of
XTREME; three seeds. Small size: e5-mini (17M) whole and cut to its first 3 layers (without further pretraining); NLI
and topics as targets. The intermediate tasks are those of `phang2020.py --size small`, so a store that has run it
already holds them for e5-mini.
"""

from dataclasses import replace
from itertools import product
from types import SimpleNamespace
from typing import Literal

from adaptx import (
    Lora, Mixture, ModelSpec, Pretrained, Proportional, Recipe, Sequential, Start, Task, Train, TrainConfig,
    evaluations,
)  # fmt: skip
from adaptx.catalog import (
    COMMONSENSEQA, E5_MINI, HELLASWAG, MNLI, NLI, PANX, PAWSX, SIB200, SQUAD, TYDIQA, UDPOS, XLMR_BASE, XLMR_LARGE,
    XNLI,
)  # fmt: skip

SIZES = {
    # The targets' epochs and batch size are those of XTREME's scripts. LoRA's rate and the row limits are our choices.
    "full": SimpleNamespace(
        models=(XLMR_BASE, XLMR_LARGE),
        method=Lora(rank=16, alpha=32),
        config=TrainConfig(learning_rate=2e-4, epochs=1, batch_size=32, precision="bf16"),
        passage_tokens=384,
        seeds=(1, 2, 3),
        intermediates=(MNLI, SQUAD, HELLASWAG),
        intermediate_rows=100_000,
        rows_of_each_in_mixture=33_000,
        target_epochs={XNLI: 2, PAWSX: 5, UDPOS: 10, PANX: 10, TYDIQA: 2},
        target_rows=50_000,
        test_rows=None,
    ),
    # The learning rate and batch size are the quickstart's, which were chosen on English development rows.
    "small": SimpleNamespace(
        models=(E5_MINI, E5_MINI.cut(3)),
        method=Lora(),
        config=TrainConfig(learning_rate=3e-3, epochs=1, batch_size=16, precision="bf16"),
        passage_tokens=256,
        seeds=(1,),
        intermediates=(MNLI, SQUAD, HELLASWAG, COMMONSENSEQA),
        intermediate_rows=400,
        rows_of_each_in_mixture=100,
        target_epochs={NLI: 4, SIB200.in_languages("en", "id", "ko", "sw", "gn", "quy"): 3},
        target_rows=150,
        test_rows=150,
    ),
}


def build(
    size: Literal["full", "small"] = "full", model: ModelSpec | None = None, seeds: tuple[int, ...] | None = None
) -> Recipe:
    """Return a recipe with each target alone, after each single task and after their mixture, per model and seed."""
    chosen = SIZES[size]
    together = Mixture(chosen.intermediates, Proportional(most=chosen.rows_of_each_in_mixture), label="multi")

    def config(task: Task | Mixture, seed: int, epochs: float) -> TrainConfig:
        tokens = chosen.passage_tokens if task.reads_passages else 128
        return replace(chosen.config, seed=seed, epochs=epochs, max_length=tokens)

    def intermediate(checkpoint: ModelSpec, seed: int, task: Task | Mixture) -> Train:
        return Train(checkpoint, task, chosen.method, config(task, seed, 1), limit=chosen.intermediate_rows)

    def target(checkpoint: ModelSpec, seed: int, task: Task, start: Start) -> Train:
        settings = config(task, seed, chosen.target_epochs[task])
        return Train(checkpoint, task, chosen.method, settings, start, limit=chosen.target_rows)

    measured = []
    for checkpoint, seed in product((model,) if model else chosen.models, seeds or chosen.seeds):
        before = [intermediate(checkpoint, seed, task) for task in (*chosen.intermediates, together)]
        for start, task in product((Pretrained(), *map(Sequential, before)), chosen.target_epochs):
            measured += evaluations(target(checkpoint, seed, task, start), task, limit=chosen.test_rows)
    return Recipe(
        f"sub1b-gap-{size}",
        tuple(measured),
        title="Single-task against multi-task intermediate training, and the gap between English and other languages",
        question="Below 1B parameters: does single-task or multi-task intermediate training close more of the "
        "generalisation gap?",
        notes=(
            f"Size: {size}. The mixture takes up to {chosen.rows_of_each_in_mixture:,} rows of each task, so that it "
            "reads about as many examples as a single task does.",
        ),
    )
