"""mT5 small to large: do multilingual intermediate tasks transfer better than English ones, less so in larger models?

    adaptx plan recipes/mt5_multilingual.py                          # full size: cost on each GPU type
    adaptx run recipes/mt5_multilingual.py --size small --data DIR   # e5-mini in mT5's place, minutes on two CPU cores
    adaptx report recipes/mt5_multilingual.py --size small --data DIR --out mt5-multilingual-report

Hypotheses. H1: at equal numbers of examples, intermediate rows in many languages give a larger zero-shot gain than
English rows. H2: this advantage is largest in the language families of those rows, and smallest in English. H3: the
advantage shrinks as the model grows.

Factors: language of the intermediate rows (English, or many languages with equally many rows), task (paraphrase,
question answering), model size, target (trained on English), seed. The report groups gains by language family.

Full size: mT5 small, base and large, three seeds, with full fine-tuning at a constant rate and dropout 0.1, as mT5's
authors did. They used AdaFactor at 1e-3 and batches of 2^17 tokens; here AdamW trains on 32 rows at 3e-4, the highest
rate that the documentation of transformers advises. Intermediate tasks: paraphrases (PAWS-X, machine-translated except
for English), question answering (TyDiQA). Targets: XNLI, XQuAD, part-of-speech tags. The report shows mT5's published
zero-shot scores on XNLI and TyDiQA; those models answer as text, ours through hidden states. Small size: e5-mini, whole
and cut to its first 3 layers (without further pretraining), or what --model names; SNLI is compared with SNLI and
IndoNLI before 150 rows of English NLI. The small size says nothing about mT5.
"""

from dataclasses import replace
from itertools import product
from types import SimpleNamespace
from typing import Literal

from adaptx import (
    Full, Lora, Mixture, ModelSpec, Pretrained, Recipe, Schedule, Sequential, Start, Task, Train, TrainConfig, Uniform,
    evaluations,
)  # fmt: skip
from adaptx.catalog import (
    E5_MINI, INDONLI, MT5_BASE, MT5_LARGE, MT5_SMALL, MT5_ZERO_SHOT, NLI, PAWSX, SNLI, TYDIQA, UDPOS, XNLI, XQUAD,
)  # fmt: skip

PAWSX_ALL = replace(PAWSX.with_translated(), name="pawsx_multilingual")
TYDIQA_ROWS = tuple(replace(rows, split="train", expected=None) for rows in TYDIQA.evaluation)
TYDIQA_ALL = replace(TYDIQA, name="tydiqa_multilingual", train=TYDIQA_ROWS)
SNLI_INDONLI = Mixture((SNLI, INDONLI), Uniform(), shared_heads=True, label="snli_indonli")

SIZES = {
    # 3e-4 is a rate for AdamW. The 1e-3 of mT5's authors is a rate for AdaFactor.
    "full": SimpleNamespace(
        models=(MT5_SMALL, MT5_BASE, MT5_LARGE),
        method=Full(),
        config=TrainConfig(3e-4, epochs=1, batch_size=32, precision="bf16", schedule=Schedule.CONSTANT, dropout=0.1),
        seeds=(1, 2, 3),
        intermediate_rows={PAWSX: 49_401, PAWSX_ALL: 49_401, TYDIQA: 3_696, TYDIQA_ALL: 3_696},
        target_epochs={XNLI: 2, XQUAD: 2, UDPOS: 3},
        target_rows=None,
        test_rows=None,
        note="Trained by AdamW at a constant 3e-4; mT5's authors used AdaFactor at 1e-3 with batches of 2^17 tokens.",
    ),
    # Rate and batch are the quickstart's, which were chosen on English development rows.
    "small": SimpleNamespace(
        models=(E5_MINI, E5_MINI.cut(3)),
        method=Lora(),
        config=TrainConfig(3e-3, epochs=1, batch_size=16, precision="bf16"),
        seeds=(1, 2, 3),
        intermediate_rows={SNLI: 1_000, SNLI_INDONLI: 500},
        target_epochs={NLI: 4},
        target_rows=150,
        test_rows=150,
        note="An encoder is used in place of mT5.",
    ),
}


def build(
    size: Literal["full", "small"] = "full", model: ModelSpec | None = None, seeds: tuple[int, ...] | None = None
) -> Recipe:
    """Return a recipe with each target alone, and after each intermediate task in English or in many languages."""
    chosen = SIZES[size]

    def config(task: Task | Mixture, seed: int, epochs: float) -> TrainConfig:
        return replace(chosen.config, seed=seed, epochs=epochs, max_length=384 if task.reads_passages else 128)

    def intermediate(checkpoint: ModelSpec, seed: int, task: Task | Mixture) -> Train:
        return Train(checkpoint, task, chosen.method, config(task, seed, 1), limit=chosen.intermediate_rows[task])

    def target(checkpoint: ModelSpec, seed: int, task: Task, start: Start) -> Train:
        settings = config(task, seed, chosen.target_epochs[task])
        return Train(checkpoint, task, chosen.method, settings, start, limit=chosen.target_rows)

    measured = []
    for checkpoint, seed in product((model,) if model else chosen.models, seeds or chosen.seeds):
        before = [intermediate(checkpoint, seed, task) for task in chosen.intermediate_rows]
        for start, task in product((Pretrained(), *map(Sequential, before)), chosen.target_epochs):
            measured += evaluations(target(checkpoint, seed, task, start), task, limit=chosen.test_rows)
        # A model that is trained only on TyDiQA's English rows has a published score to compare with.
        english = [trained for trained in before if trained.task == TYDIQA]
        measured += [each for trained in english for each in evaluations(trained, TYDIQA, limit=chosen.test_rows)]
    return Recipe(
        f"mt5-multilingual-{size}",
        tuple(measured),
        title="Multilingual against English-only intermediate tasks, at several sizes",
        question="Do multilingual intermediate tasks transfer better than English ones, and less so in larger models?",
        notes=(f"Size: {size}.", chosen.note),
        published=MT5_ZERO_SHOT if size == "full" else (),
    )
