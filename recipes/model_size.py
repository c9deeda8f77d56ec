"""Does English intermediate training help zero-shot transfer less, the larger the multilingual model is?

    adaptx plan recipes/model_size.py                            # full size: cost on each GPU type
    adaptx run recipes/model_size.py --size small --data DIR --model DIR-OF-E5-SMALL
    adaptx report recipes/model_size.py --size small --data DIR --model DIR-OF-E5-SMALL --out model-size-report

Hypotheses. H1: the gain over the matched baseline falls as the number of parameters grows, because larger models need
the intermediate task less. H2: the gain falls faster in high-resource languages. H3: question answering keeps its gain
up to larger sizes than the other tasks do.

Factors: one family at several sizes, intermediate task (none, NLI, question answering, multiple choice), target, seed.

Full size: XLM-R base, large, XL and XXL on the tasks of XTREME-R that have training rows, and on Tatoeba. All sizes
train LoRA at every linear map, because full fine-tuning of XXL fits on no single GPU and the method must not differ
between sizes. Small size: multilingual-e5-small cut to its first 3, 6, 9 and 12 layers (without further pretraining, so
the cuts do not represent trained models of their size), with SNLI before 150 rows of NLI, one seed.
"""

from dataclasses import replace
from itertools import product
from types import SimpleNamespace
from typing import Literal

from adaptx import Lora, ModelSpec, Pretrained, Recipe, Sequential, Start, Task, Train, TrainConfig, evaluations
from adaptx.catalog import (
    E5_SMALL, HELLASWAG, MLQA, MNLI, NLI, SNLI, SQUAD, TATOEBA_R, TYDIQA, UDPOS_R, WIKIANN, XCOPA, XLMR_BASE,
    XLMR_LARGE, XLMR_XL, XLMR_XXL, XNLI, XQUAD_12, XTREME_R,
)  # fmt: skip

SIZES = {
    # Epochs and batch of the targets are those of XTREME's scripts where they have the task; LoRA's rate is a choice.
    "full": SimpleNamespace(
        models=(XLMR_BASE, XLMR_LARGE, XLMR_XL, XLMR_XXL),
        method=Lora(rank=16, alpha=32, sites=("query", "key", "value", "output", "up", "down")),
        config=TrainConfig(learning_rate=2e-4, epochs=1, batch_size=32, precision="bf16"),
        seeds=(1, 2, 3),
        intermediates=(MNLI, SQUAD, HELLASWAG),
        intermediate_rows=100_000,
        target_epochs={XNLI: 2, XCOPA: 5, UDPOS_R: 10, WIKIANN: 10, XQUAD_12: 2, TYDIQA: 2},
        target_rows=50_000,
        test_rows=None,
        retrieved=(TATOEBA_R,),
        suites=(XTREME_R,),
    ),
    # The quickstart's settings, which were chosen on English development rows.
    "small": SimpleNamespace(
        models=E5_SMALL.cuts(3, 6, 9, 12),
        method=Lora(),
        config=TrainConfig(learning_rate=3e-3, epochs=1, batch_size=16, precision="bf16"),
        seeds=(1,),
        intermediates=(SNLI,),
        intermediate_rows=1_500,
        target_epochs={NLI: 4},
        target_rows=150,
        test_rows=150,
        retrieved=(),
        suites=(),
    ),
}


def build(
    size: Literal["full", "small"] = "full", model: ModelSpec | None = None, seeds: tuple[int, ...] | None = None
) -> Recipe:
    """Return a recipe with each target from the checkpoint and after each intermediate task, per model size and seed.

    model: a checkpoint that replaces the models: it is cut to its first 3, 6, 9 and 12 layers.
    """
    chosen = SIZES[size]

    def config(task: Task, seed: int, epochs: float) -> TrainConfig:
        return replace(chosen.config, seed=seed, epochs=epochs, max_length=384 if task.reads_passages else 128)

    def intermediate(checkpoint: ModelSpec, seed: int, task: Task) -> Train:
        return Train(checkpoint, task, chosen.method, config(task, seed, 1), limit=chosen.intermediate_rows)

    def target(checkpoint: ModelSpec, seed: int, task: Task, start: Start) -> Train:
        settings = config(task, seed, chosen.target_epochs[task])
        return Train(checkpoint, task, chosen.method, settings, start, limit=chosen.target_rows)

    measured = []
    for checkpoint in model.cuts(3, 6, 9, 12) if model else chosen.models:
        measured += [each for task in chosen.retrieved for each in evaluations(checkpoint, task)]
        for seed in seeds or chosen.seeds:
            before = [intermediate(checkpoint, seed, task) for task in chosen.intermediates]
            for task, start in product(chosen.target_epochs, (Pretrained(), *map(Sequential, before))):
                # A model that was trained on XQuAD's English rows is also evaluated on MLQA.
                for answered in (task, MLQA) if task == XQUAD_12 else (task,):
                    measured += evaluations(target(checkpoint, seed, task, start), answered, limit=chosen.test_rows)
            for trained, task in product(before, chosen.retrieved):
                measured += evaluations(trained, task)
    return Recipe(
        f"model-size-{size}",
        tuple(measured),
        title="English intermediate training at several sizes of one multilingual model",
        question="Does English intermediate training help zero-shot transfer less, the larger the "
        "multilingual model is?",
        notes=(f"Size: {size}.",),
        suites=chosen.suites,
    )
