"""How do the gains of English intermediate training on other languages change as parameters grow from 1B to 7B?

    adaptx plan recipes/scale_1b_7b.py                           # full size: cost on each GPU type
    adaptx run recipes/scale_1b_7b.py --size small --data DIR --model DIR-OF-SMOLLM2
    adaptx report recipes/scale_1b_7b.py --size small --data DIR --model DIR-OF-SMOLLM2 --out scale-report

Hypotheses. H1: within a family, the gain over the matched baseline shrinks as the number of parameters grows, and
saturates. H2: question answering and multiple choice keep more of their gain than tagging and NLI. H3: languages with
little pretraining text keep gaining up to larger sizes than others do.

Factors: model (three sizes of Llama 3, three of Qwen3, and the encoder XLM-R XL for comparison), intermediate task
(none, NLI, question answering, multiple choice), target, seed. All models train LoRA at every linear map. Classes,
spans and tags are read from a decoder's hidden states, as from an encoder's.

Full size: Llama 3 (1B, 3B, 8B) and Qwen3 (1.7B, 4B, 8B) base checkpoints, XLM-R XL (3.5B); five targets of XTREME-R;
three seeds. Small size: SmolLM2-135M, an English decoder, cut to its first 4 and 8 layers (without further
pretraining); SNLI before 150 rows of NLI, one seed. The small size shows how the question is answered and says nothing
about larger decoders.
"""

from dataclasses import replace
from itertools import product
from types import SimpleNamespace
from typing import Literal

from adaptx import Lora, ModelSpec, Pretrained, Recipe, Sequential, Start, Task, Train, TrainConfig, evaluations
from adaptx.catalog import (
    HELLASWAG, LLAMA3_1B, LLAMA3_3B, LLAMA3_8B, MNLI, NLI, QWEN3_1_7B, QWEN3_4B, QWEN3_8B, SMOLLM2_135M, SNLI, SQUAD,
    TYDIQA, WIKIANN, XCOPA, XLMR_XL, XNLI, XQUAD_12, XTREME_R,
)  # fmt: skip

SIZES = {
    # LoRA's learning rate and the row limits are our own choices: no published setting fixes them for decoders.
    "full": SimpleNamespace(
        models=(LLAMA3_1B, LLAMA3_3B, LLAMA3_8B, QWEN3_1_7B, QWEN3_4B, QWEN3_8B, XLMR_XL),
        method=Lora(rank=16, alpha=32, sites=("query", "key", "value", "output", "up", "down")),
        config=TrainConfig(learning_rate=1e-4, epochs=1, batch_size=32, precision="bf16"),
        seeds=(1, 2, 3),
        intermediates=(MNLI, SQUAD, HELLASWAG),
        intermediate_rows=50_000,
        target_epochs={XNLI: 1, XCOPA: 5, WIKIANN: 2, XQUAD_12: 2, TYDIQA: 2},
        target_rows=20_000,
        test_rows=1_000,
        suites=(XTREME_R,),
    ),
    "small": SimpleNamespace(
        models=SMOLLM2_135M.cuts(4, 8),
        method=Lora(),
        config=TrainConfig(learning_rate=1e-3, epochs=1, batch_size=16, precision="bf16"),
        seeds=(1,),
        intermediates=(SNLI,),
        intermediate_rows=1_000,
        target_epochs={NLI: 4},
        target_rows=150,
        test_rows=100,
        suites=(),
    ),
}


def build(
    size: Literal["full", "small"] = "full", model: ModelSpec | None = None, seeds: tuple[int, ...] | None = None
) -> Recipe:
    """Return a recipe with each target from the checkpoint and after each intermediate task, at every model and seed.

    model: a checkpoint that replaces the models: it is cut to its first 4 and 8 layers, or used whole if it has fewer.
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
    for checkpoint, seed in product(model.cuts(4, 8) if model else chosen.models, seeds or chosen.seeds):
        before = [intermediate(checkpoint, seed, task) for task in chosen.intermediates]
        for start, task in product((Pretrained(), *map(Sequential, before)), chosen.target_epochs):
            measured += evaluations(target(checkpoint, seed, task, start), task, limit=chosen.test_rows)
    return Recipe(
        f"scale-1b-7b-{size}",
        tuple(measured),
        title="English intermediate training from 1B to 8B parameters",
        question="How do the gains of English intermediate training on other languages change as parameters "
        "grow from 1B to 7B?",
        notes=(f"Size: {size}.",),
        suites=chosen.suites,
    )
