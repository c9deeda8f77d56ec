"""Does the size of the multilingual model govern what English intermediate training gives zero-shot transfer?

    adaptx plan recipes/model_size.py                            # full size: cost on each GPU type
    adaptx run recipes/model_size.py --size small --data DIR --model DIR-OF-E5-SMALL
    adaptx report recipes/model_size.py --size small --data DIR --model DIR-OF-E5-SMALL --out model-size-report

Hypotheses. H1: the gain over the matched baseline falls with parameters, as larger models need the intermediate task
less. H2: it falls faster in high-resource languages. H3: question answering keeps its gain longest.

Factors: one family at several sizes, intermediate task (none, NLI, question answering, multiple choice), target,
seed.

Full size: XLM-R base, large, XL and XXL on the tasks of XTREME-R that are trained, and Tatoeba. All sizes train LoRA
at every linear map, since full fine-tuning of XXL fits no single GPU and the method must not differ between sizes.
Small size: multilingual-e5-small cut to its first 3, 6, 9 and 12 layers. Weights are real, but no training has healed
the cuts, so they stand for no trained model of that size; SNLI before 150 rows of NLI, one seed.
"""

from dataclasses import dataclass
from typing import Literal

from adaptx import (
    Evaluate,
    Lora,
    ModelSpec,
    Pretrained,
    Recipe,
    Sequential,
    Start,
    Task,
    Train,
    TrainConfig,
)
from adaptx.catalog import (
    E5_SMALL,
    HELLASWAG,
    MLQA,
    MNLI,
    NLI,
    SNLI,
    SQUAD,
    TATOEBA_R,
    TYDIQA,
    UDPOS_R,
    WIKIANN,
    XCOPA,
    XLMR_BASE,
    XLMR_LARGE,
    XLMR_XL,
    XLMR_XXL,
    XNLI,
    XQUAD_12,
    XTREME_R,
)

SIZE_AXIS = (3, 6, 9, 12)
"""Layers that the small size leaves of one checkpoint."""
EVERY_MAP = ("query", "key", "value", "output", "up", "down")


@dataclass(frozen=True)
class Size:
    """What the two sizes differ in. targets: task -> (epochs, further tasks that its training answers). Rows and
    rates: (intermediate, target); rows None: all there are.
    """

    method: Lora
    seeds: tuple[int, ...]
    intermediates: tuple[Task, ...]
    targets: dict[Task, tuple[float, tuple[Task, ...]]]
    retrieved: tuple[Task, ...]
    rates: tuple[float, float]
    rows: tuple[int | None, int | None]
    batch: int
    test_rows: int | None = None


SIZES = {
    # Epochs and batch of the targets are those of XTREME's scripts where they have the task; LoRA's rate is a choice.
    "full": Size(
        Lora(rank=16, alpha=32, sites=EVERY_MAP),
        (1, 2, 3),
        (MNLI, SQUAD, HELLASWAG),
        {
            XNLI: (2, ()),
            XCOPA: (5, ()),
            UDPOS_R: (10, ()),
            WIKIANN: (10, ()),
            XQUAD_12: (2, (MLQA,)),
            TYDIQA: (2, ()),
        },
        (TATOEBA_R,),
        (2e-4, 2e-4),
        (100_000, 50_000),
        32,
    ),
    # As the quickstart's, which were chosen on English development rows.
    "small": Size(Lora(), (1,), (SNLI,), {NLI: (4, ())}, (), (3e-3, 3e-3), (1_500, 150), 16, 150),
}


def models(size: Literal["full", "small"], model: ModelSpec | None) -> tuple[ModelSpec, ...]:
    """The size axis: a family's checkpoints, or one checkpoint with fewer and fewer layers."""
    if model is None and size == "full":
        return (XLMR_BASE, XLMR_LARGE, XLMR_XL, XLMR_XXL)
    whole = model or E5_SMALL
    most = whole.shape.layers if whole.shape is not None else max(SIZE_AXIS)
    return tuple(whole.cut(layers) for layers in SIZE_AXIS if layers <= most)


def build(
    size: Literal["full", "small"] = "full", model: ModelSpec | None = None, seeds: tuple[int, ...] | None = None
) -> Recipe:
    """Each target from the checkpoint and after each intermediate task, at every model size and seed.

    model: a checkpoint whose layers are cut to make the size axis; None: XLM-R's four sizes, or e5-small's cuts.
    """
    chosen = SIZES[size]

    def train(checkpoint: ModelSpec, task: Task, seed: int, stage: int, epochs: float, start: Start) -> Train:
        long = any(rows.column("context") for rows in task.train)
        config = TrainConfig(
            learning_rate=chosen.rates[stage],
            epochs=epochs,
            batch_size=chosen.batch,
            seed=seed,
            precision="bf16",
            max_length=384 if long else 128,
        )
        return Train(checkpoint, task, chosen.method, config, start, limit=chosen.rows[stage])

    evaluations: list[Evaluate] = []
    for checkpoint in models(size, model):
        evaluations += [Evaluate(checkpoint, task, each) for task in chosen.retrieved for each in task.languages]
        for seed in seeds or chosen.seeds:
            before = [train(checkpoint, task, seed, 0, 1, Pretrained()) for task in chosen.intermediates]
            for task, (epochs, further) in chosen.targets.items():
                for start in (Pretrained(), *map(Sequential, before)):
                    trained = train(checkpoint, task, seed, 1, epochs, start)
                    evaluations += [
                        Evaluate(trained, measured, language, limit=chosen.test_rows)
                        for measured in (task, *further)
                        for language in measured.languages
                    ]
            evaluations += [
                Evaluate(trained, task, language)
                for trained in before
                for task in chosen.retrieved
                for language in task.languages
            ]
    return Recipe(
        f"model-size-{size}",
        tuple(evaluations),
        title="English intermediate training at several sizes of one multilingual model",
        question="Does the size of the multilingual model govern what English intermediate training gives "
        "zero-shot transfer?",
        notes=(f"Size: {size}.",),
        suites=(XTREME_R,) if size == "full" else (),
    )
