"""How do the gains of English intermediate training on other languages change as parameters grow from 1B to 7B?

    adaptx plan recipes/scale_1b_7b.py                           # full size: cost on each GPU type
    adaptx run recipes/scale_1b_7b.py --size small --data DIR --model DIR-OF-SMOLLM2
    adaptx report recipes/scale_1b_7b.py --size small --data DIR --model DIR-OF-SMOLLM2 --out scale-report

Hypotheses. H1: the gain over the matched baseline shrinks with parameters within a family, and saturates. H2:
question answering and multiple choice keep more of it than tagging and NLI. H3: languages with little pretraining
text gain longest.

Factors: model (three sizes of Llama 3, three of Qwen3, and XLM-R XL as an encoder between them), intermediate task
(none, NLI, question answering, multiple choice), target, seed. All train LoRA at every linear map. A decoder's
classes, spans and tags are read from its hidden states, as an encoder's.

Full size: Llama 3 (1B, 3B, 8B) and Qwen3 (1.7B, 4B, 8B) base checkpoints, XLM-R XL (3.5B); five targets of XTREME-R;
three seeds. Small size: SmolLM2-135M, an English decoder, cut to its first 4 and 8 layers (no training has healed
the cuts); SNLI before 150 rows of NLI, one seed. It shows the way and says nothing of larger decoders.
"""

from dataclasses import dataclass
from typing import Literal

from adaptx import Evaluate, Lora, ModelSpec, Pretrained, Recipe, Sequential, Start, Task, Train, TrainConfig
from adaptx.catalog import (
    HELLASWAG,
    LLAMA3_1B,
    LLAMA3_3B,
    LLAMA3_8B,
    MNLI,
    NLI,
    QWEN3_1_7B,
    QWEN3_4B,
    QWEN3_8B,
    SMOLLM2_135M,
    SNLI,
    SQUAD,
    TYDIQA,
    WIKIANN,
    XCOPA,
    XLMR_XL,
    XNLI,
    XQUAD_12,
    XTREME_R,
)

SIZE_AXIS = (4, 8)
"""Layers that the small size leaves of one checkpoint."""
EVERY_MAP = ("query", "key", "value", "output", "up", "down")


@dataclass(frozen=True)
class Size:
    """What the two sizes differ in. targets: task -> epochs. rows: of an intermediate training and a target's."""

    method: Lora
    seeds: tuple[int, ...]
    intermediates: tuple[Task, ...]
    targets: dict[Task, float]
    rate: float
    batch: int
    rows: tuple[int, int]
    test_rows: int | None = None


SIZES = {
    # LoRA's rate and the row limits are choices; nothing published fixes them for decoders.
    "full": Size(
        Lora(rank=16, alpha=32, sites=EVERY_MAP),
        (1, 2, 3),
        (MNLI, SQUAD, HELLASWAG),
        {XNLI: 1, XCOPA: 5, WIKIANN: 2, XQUAD_12: 2, TYDIQA: 2},
        1e-4,
        32,
        (50_000, 20_000),
        1_000,
    ),
    "small": Size(Lora(), (1,), (SNLI,), {NLI: 4}, 1e-3, 16, (1_000, 150), 100),
}


def models(size: Literal["full", "small"], model: ModelSpec | None) -> tuple[ModelSpec, ...]:
    """The size axis: checkpoints of several sizes, or one with fewer and fewer layers."""
    if model is None and size == "full":
        return (LLAMA3_1B, LLAMA3_3B, LLAMA3_8B, QWEN3_1_7B, QWEN3_4B, QWEN3_8B, XLMR_XL)
    whole = model or SMOLLM2_135M
    most = whole.shape.layers if whole.shape is not None else max(SIZE_AXIS)
    return tuple(whole.cut(layers) for layers in SIZE_AXIS if layers <= most) or (whole,)


def build(
    size: Literal["full", "small"] = "full", model: ModelSpec | None = None, seeds: tuple[int, ...] | None = None
) -> Recipe:
    """Each target from the checkpoint and after each intermediate task, at every model and seed.

    model: a checkpoint whose layers are cut to make the size axis; one with fewer than four stays whole.
    """
    chosen = SIZES[size]

    def train(checkpoint: ModelSpec, task: Task, seed: int, stage: int, epochs: float, start: Start) -> Train:
        long = any(rows.column("context") for rows in task.train)
        config = TrainConfig(
            learning_rate=chosen.rate,
            epochs=epochs,
            batch_size=chosen.batch,
            seed=seed,
            precision="bf16",
            max_length=384 if long else 128,
        )
        return Train(checkpoint, task, chosen.method, config, start, limit=chosen.rows[stage])

    trained = [
        train(checkpoint, task, seed, 1, epochs, start)
        for checkpoint in models(size, model)
        for seed in seeds or chosen.seeds
        for start in (
            Pretrained(),
            *(Sequential(train(checkpoint, task, seed, 0, 1, Pretrained())) for task in chosen.intermediates),
        )
        for task, epochs in chosen.targets.items()
    ]
    return Recipe(
        f"scale-1b-7b-{size}",
        tuple(
            Evaluate(each, task, language, limit=chosen.test_rows)
            for each in trained
            for task in each.tasks
            for language in task.languages
        ),
        title="English intermediate training from 1B to 8B parameters",
        question="How do the gains of English intermediate training on other languages change as parameters "
        "grow from 1B to 7B?",
        notes=(f"Size: {size}.",),
        suites=(XTREME_R,) if size == "full" else (),
    )
