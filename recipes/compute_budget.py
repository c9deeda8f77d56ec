"""Is there an intermediate budget past which low-resource languages lose while English still gains?

    adaptx plan recipes/compute_budget.py                            # full size: cost on each GPU type
    adaptx run recipes/compute_budget.py --size small --data DIR     # e5-mini, some minutes on two CPU cores
    adaptx report recipes/compute_budget.py --size small --data DIR --out compute-budget-report

Hypotheses. H1: the English score of the target grows with the intermediate stage's compute (steps x batch). H2: the
gain in low-resource languages peaks at a smaller budget than the English one, as the model drifts from its multilingual
pretraining. H3: at equal compute, small batches (more steps) drift further.

Factors: epochs and batch size of the intermediate stage. Its learning rate, warm-up share and schedule do not change,
so a larger batch means fewer steps at the same rate. The baseline has no intermediate stage. Language is the other
factor: the report compares the slopes of low-resource and high-resource languages.

Full size: XLM-R base, three seeds. The intermediate tasks are SNLI and SQuAD v1.1, with 4 x 3 budgets each. The targets
are NLI (10,000 rows of MNLI), in the 15 languages of XNLI and the 10 of AmericasNLI, and TyDiQA (3,696 rows), in 9
languages. Small size: e5-mini with LoRA, SNLI, 3 x 2 budgets, one seed, 200 target rows, six languages. The small size
shows how the question is answered, and supports no conclusion about larger models.
"""

from dataclasses import replace
from itertools import product
from types import SimpleNamespace
from typing import Literal

from adaptx import Full, Lora, ModelSpec, Pretrained, Recipe, Sequential, Start, Task, Train, TrainConfig, evaluations
from adaptx.catalog import AMERICAS_NLI, E5_MINI, NLI, SNLI, SQUAD, TYDIQA, XLMR_BASE, XNLI

NLI_25 = replace(
    XNLI,
    name="nli_25",
    evaluation=(*XNLI.evaluation, *AMERICAS_NLI.evaluation),
    description="NLI trained on English MNLI, in XNLI's and AmericasNLI's languages",
)

SIZES = {
    # The target's learning rate and batch size are those of XTREME's scripts; the intermediate stage has the same rate.
    "full": SimpleNamespace(
        model=XLMR_BASE,
        method=Full(),
        seeds=(1, 2, 3),
        intermediates=(SNLI, SQUAD),
        budget_epochs=(0.25, 1, 3, 10),
        budget_batch_sizes=(16, 64, 256),
        intermediate_rows=None,
        targets=(NLI_25, TYDIQA),
        target_config=TrainConfig(learning_rate=1e-5, epochs=3, batch_size=32, precision="bf16"),
        target_rows=10_000,
        test_rows=None,
    ),
    # The quickstart's settings, which were chosen on English development rows.
    "small": SimpleNamespace(
        model=E5_MINI,
        method=Lora(),
        seeds=(1,),
        intermediates=(SNLI,),
        budget_epochs=(0.5, 1, 4),
        budget_batch_sizes=(8, 32),
        intermediate_rows=2_000,
        targets=(NLI,),
        target_config=TrainConfig(learning_rate=3e-3, epochs=5, batch_size=16, precision="bf16"),
        target_rows=200,
        test_rows=150,
    ),
}


def build(
    size: Literal["full", "small"] = "full", model: ModelSpec | None = None, seeds: tuple[int, ...] | None = None
) -> Recipe:
    """Return a recipe with one intermediate training per budget and seed, and each target with and without them."""
    chosen = SIZES[size]
    checkpoint = model or chosen.model

    def config(task: Task, seed: int, **budget: float) -> TrainConfig:
        return replace(chosen.target_config, seed=seed, max_length=384 if task.reads_passages else 128, **budget)

    def intermediate(seed: int, task: Task, epochs: float, batch_size: int) -> Train:
        settings = config(task, seed, epochs=epochs, batch_size=batch_size)
        return Train(checkpoint, task, chosen.method, settings, limit=chosen.intermediate_rows)

    def target(seed: int, task: Task, start: Start) -> Train:
        return Train(checkpoint, task, chosen.method, config(task, seed), start, limit=chosen.target_rows)

    measured = []
    for seed in seeds or chosen.seeds:
        budgets = product(chosen.intermediates, chosen.budget_epochs, chosen.budget_batch_sizes)
        before = [intermediate(seed, *budget) for budget in budgets]
        for start, task in product((Pretrained(), *map(Sequential, before)), chosen.targets):
            measured += evaluations(target(seed, task, start), task, limit=chosen.test_rows)
    rate = chosen.target_config.learning_rate
    return Recipe(
        f"compute-budget-{size}",
        tuple(measured),
        title="Epochs and batch size of the intermediate stage, in English and in low-resource languages",
        question="Is there an intermediate budget past which low-resource languages lose while English still gains?",
        notes=(f"Size: {size}. The learning rate of the intermediate stage is {rate:g} at every batch size.",),
    )
