"""Below 1B parameters: does single-task or multi-task intermediate training close more of the generalisation gap?

    adaptx plan recipes/sub1b_gap.py                          # full size: cost on each GPU type
    adaptx run recipes/sub1b_gap.py --size small --data DIR   # e5-mini, some minutes on two CPU cores
    adaptx report recipes/sub1b_gap.py --size small --data DIR --out sub1b-gap-report

The gap is the English score less the mean of the other languages. Hypotheses. H1: both kinds of intermediate training
close it against the baseline. H2: multi-task closes more than the mean single task, less than the best single one.
H3: the smaller the model, the larger the difference between the two.

Factors: what is trained before the target (nothing, each single task, their mixture, of about as many examples),
model, target, seed. The report prints the gap of each variant and its difference from the baseline's.

Full size: XLM-R base (278M) and large (560M) with LoRA; MNLI, SQuAD v1.1, HellaSwag and their mixture; five targets
of XTREME; three seeds. Small size: e5-mini (17M) whole and cut to its first 3 layers (no training has healed the
cut); the same intermediate tasks as `phang2020.py --size small`, so that those of e5-mini come from the store; NLI
and topics as targets.
"""

from dataclasses import dataclass, replace
from typing import Literal

from adaptx import (
    Evaluate,
    Lora,
    Mixture,
    ModelSpec,
    Pretrained,
    Proportional,
    Recipe,
    Sequential,
    Start,
    Task,
    Train,
    TrainConfig,
)
from adaptx.catalog import (
    COMMONSENSEQA,
    E5_MINI,
    HELLASWAG,
    MNLI,
    NLI,
    PANX,
    PAWSX,
    SIB200,
    SQUAD,
    TYDIQA,
    UDPOS,
    XLMR_BASE,
    XLMR_LARGE,
    XNLI,
)


@dataclass(frozen=True)
class Size:
    """What the two sizes differ in. targets: task -> epochs. rows: of an intermediate training and a target's.
    most_of_mixture: rows of a task that count in the mixture.
    """

    models: tuple[ModelSpec, ...]
    method: Lora
    seeds: tuple[int, ...]
    intermediates: tuple[Task, ...]
    targets: dict[Task, float]
    rate: float
    batch: int
    lengths: tuple[int, int]
    rows: tuple[int, int]
    most_of_mixture: int
    test_rows: int | None = None


TOPICS = replace(
    SIB200, evaluation=tuple(SIB200.rows_in(language) for language in ("en", "id", "ko", "sw", "gn", "quy"))
)

SIZES = {
    # Epochs and batch of the targets are those of XTREME's scripts; LoRA's rate and the row limits are choices.
    "full": Size(
        (XLMR_BASE, XLMR_LARGE),
        Lora(rank=16, alpha=32),
        (1, 2, 3),
        (MNLI, SQUAD, HELLASWAG),
        {XNLI: 2, PAWSX: 5, UDPOS: 10, PANX: 10, TYDIQA: 2},
        2e-4,
        32,
        (128, 384),
        (100_000, 50_000),
        33_000,
    ),
    # Rate and batch are the quickstart's, which were chosen on English development rows.
    "small": Size(
        (E5_MINI, E5_MINI.cut(3)),
        Lora(),
        (1,),
        (MNLI, SQUAD, HELLASWAG, COMMONSENSEQA),
        {NLI: 4, TOPICS: 3},
        3e-3,
        16,
        (128, 256),
        (400, 150),
        100,
        150,
    ),
}


def build(
    size: Literal["full", "small"] = "full", model: ModelSpec | None = None, seeds: tuple[int, ...] | None = None
) -> Recipe:
    """Each target from the checkpoint, after each single task, and after their mixture, at every model and seed."""
    chosen = SIZES[size]
    together = Mixture(chosen.intermediates, Proportional(most=chosen.most_of_mixture), label="multi")

    def train(checkpoint: ModelSpec, task: Task | Mixture, seed: int, stage: int, epochs: float, start: Start) -> Train:
        long = any(rows.column("context") for rows in task.train)
        config = TrainConfig(
            learning_rate=chosen.rate,
            epochs=epochs,
            batch_size=chosen.batch,
            seed=seed,
            precision="bf16",
            max_length=chosen.lengths[long],
        )
        return Train(checkpoint, task, chosen.method, config, start, limit=chosen.rows[stage])

    trained = [
        train(checkpoint, task, seed, 1, epochs, start)
        for checkpoint in ((model,) if model is not None else chosen.models)
        for seed in seeds or chosen.seeds
        for start in (
            Pretrained(),
            *(
                Sequential(train(checkpoint, task, seed, 0, 1, Pretrained()))
                for task in (*chosen.intermediates, together)
            ),
        )
        for task, epochs in chosen.targets.items()
    ]
    return Recipe(
        f"sub1b-gap-{size}",
        tuple(
            Evaluate(each, task, language, limit=chosen.test_rows)
            for each in trained
            for task in each.tasks
            for language in task.languages
        ),
        title="Single-task against multi-task intermediate training, and the gap between English and other languages",
        question="Below 1B parameters: does single-task or multi-task intermediate training close more of the "
        "generalisation gap?",
        notes=(
            f"Size: {size}. The mixture takes up to {chosen.most_of_mixture:,} rows of each task, so that it reads "
            "about as many examples as a single task does.",
        ),
    )
