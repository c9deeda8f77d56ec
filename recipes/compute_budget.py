"""Is there an intermediate budget past which low-resource languages lose while English still gains?

    adaptx plan recipes/compute_budget.py                            # full size: cost on each GPU type
    adaptx run recipes/compute_budget.py --size small --data DIR     # e5-mini, some minutes on two CPU cores
    adaptx report recipes/compute_budget.py --size small --data DIR --out compute-budget-report

Hypotheses. H1: the English score of the target grows with the intermediate stage's compute (steps x batch). H2: the
gain in low-resource languages peaks at a smaller budget than the English one, as the model drifts from its
multilingual pretraining. H3: at equal compute, small batches (more steps) drift further.

Factors: epochs and batch size of the intermediate stage (learning rate, warm-up share and schedule stay, so that a
larger batch is fewer steps, not a rescaled rate); the baseline has no intermediate stage. Languages are the other
factor: the report sets the slopes of low- and high-resource ones side by side.

Full size: XLM-R base, SNLI and SQuAD v1.1 as intermediates, 4 x 3 budgets each, three seeds; targets: NLI (10,000
rows of MNLI) in XNLI's 15 languages and the 10 of AmericasNLI, and TyDiQA (3,696 rows) in 9. Small size: e5-mini with
LoRA, SNLI, 3 x 2 budgets, one seed, 200 target rows, six languages: it shows the way and draws no conclusion about
larger models.
"""

from dataclasses import dataclass, replace
from typing import Literal

from adaptx import (
    Evaluate,
    Full,
    Lora,
    Method,
    ModelSpec,
    Pretrained,
    Recipe,
    Sequential,
    Start,
    Task,
    Train,
    TrainConfig,
)
from adaptx.catalog import AMERICAS_NLI, E5_MINI, NLI, SNLI, SQUAD, TYDIQA, XLMR_BASE, XNLI

NLI_25 = replace(
    XNLI,
    name="nli_25",
    evaluation=(*XNLI.evaluation, *AMERICAS_NLI.evaluation),
    description="NLI trained on English MNLI, in XNLI's and AmericasNLI's languages",
)


@dataclass(frozen=True)
class Size:
    """What the two sizes differ in. Rates and rows: (intermediate, target); rows None: all there are."""

    model: ModelSpec
    method: Method
    seeds: tuple[int, ...]
    epochs: tuple[float, ...]
    batches: tuple[int, ...]
    intermediates: tuple[Task, ...]
    targets: tuple[Task, ...]
    rates: tuple[float, float]
    rows: tuple[int | None, int | None]
    target_epochs: float
    target_batch: int
    test_rows: int | None = None


SIZES = {
    # Rate and batch of the target are those of XTREME's scripts; the intermediate stage takes the same rate.
    "full": Size(
        XLMR_BASE,
        Full(),
        (1, 2, 3),
        (0.25, 1, 3, 10),
        (16, 64, 256),
        (SNLI, SQUAD),
        (NLI_25, TYDIQA),
        (1e-5, 1e-5),
        (None, 10_000),
        3,
        32,
    ),
    # As the quickstart's, which were chosen on English development rows.
    "small": Size(
        E5_MINI,
        Lora(),
        (1,),
        (0.5, 1, 4),
        (8, 32),
        (SNLI,),
        (NLI,),
        (3e-3, 3e-3),
        (2_000, 200),
        5,
        16,
        150,
    ),
}


def build(
    size: Literal["full", "small"] = "full", model: ModelSpec | None = None, seeds: tuple[int, ...] | None = None
) -> Recipe:
    """One intermediate training a budget and seed; each target from the checkpoint and from each of them."""
    chosen = SIZES[size]
    checkpoint = model or chosen.model

    def config(task: Task, seed: int, rate: float, epochs: float, batch: int) -> TrainConfig:
        long = any(rows.column("context") for rows in task.train)
        return TrainConfig(
            learning_rate=rate,
            epochs=epochs,
            batch_size=batch,
            seed=seed,
            precision="bf16",
            max_length=384 if long else 128,
        )

    def intermediate(task: Task, seed: int, epochs: float, batch: int) -> Train:
        settings = config(task, seed, chosen.rates[0], epochs, batch)
        return Train(checkpoint, task, chosen.method, settings, limit=chosen.rows[0])

    def target(task: Task, seed: int, start: Start) -> Train:
        settings = config(task, seed, chosen.rates[1], chosen.target_epochs, chosen.target_batch)
        return Train(checkpoint, task, chosen.method, settings, start, limit=chosen.rows[1])

    trained = [
        target(task, seed, start)
        for seed in seeds or chosen.seeds
        for start in (
            Pretrained(),
            *(
                Sequential(intermediate(task, seed, epochs, batch))
                for task in chosen.intermediates
                for epochs in chosen.epochs
                for batch in chosen.batches
            ),
        )
        for task in chosen.targets
    ]
    return Recipe(
        f"compute-budget-{size}",
        tuple(
            Evaluate(each, task, language, limit=chosen.test_rows)
            for each in trained
            for task in each.tasks
            for language in task.languages
        ),
        title="Epochs and batch size of the intermediate stage, in English and in low-resource languages",
        question="Is there an intermediate budget past which low-resource languages lose while English still gains?",
        notes=(
            f"Size: {size}. The learning rate of the intermediate stage is {chosen.rates[0]:g} at every batch size.",
        ),
    )
