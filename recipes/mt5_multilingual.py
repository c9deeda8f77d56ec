"""mT5 small to large: do multilingual intermediate tasks transfer better than English ones, and does size shrink that?

    adaptx plan recipes/mt5_multilingual.py                          # full size: cost on each GPU type
    adaptx run recipes/mt5_multilingual.py --size small --data DIR   # e5-mini in mT5's place, minutes on two CPU cores
    adaptx report recipes/mt5_multilingual.py --size small --data DIR --out mt5-multilingual-report

Hypotheses. H1: at equal numbers of examples, intermediate rows in many languages give more zero-shot gain than
English ones. H2: most in language families that have rows among them, least in English. H3: the difference shrinks
with size.

Factors: language of the intermediate rows (English, many, at equal numbers), kind of task (paraphrase, question
answering), model size, target, seed; the report breaks gains down by language family. The targets are trained in
English alone and differ from the intermediate tasks.

Full size: mT5 small, base and large, full fine-tuning at a constant rate with dropout 0.1 as mT5's authors have it.
Their rate of 1e-3 belongs to AdaFactor, which scales each update by the size of the weights, and to batches of 2^17
tokens. Here AdamW trains on batches of 32 rows, for which the documentation of transformers advises 1e-4 to 3e-4: the
rate is 3e-4, and a difference to the published scores may come from there. Intermediate tasks and targets: paraphrases
from PAWS-X (its other languages are machine-translated), question answering from TyDiQA; targets XNLI, XQuAD and
part-of-speech tags; three seeds. The report sets mT5's published zero-shot scores on XNLI and TyDiQA beside ours;
theirs were read as text, ours from hidden states, which is a difference besides. Small size: no small mT5 with trained
weights is at hand, so e5-mini stands in its place (whole and cut to its first 3 layers, which no training has healed),
or whatever --model names: SNLI alone against SNLI with IndoNLI, before 150 rows of English NLI, three seeds. It shows
the way and says nothing of mT5.
"""

from dataclasses import dataclass, replace
from typing import Literal

from adaptx import (
    Evaluate,
    Full,
    Lora,
    Method,
    Mixture,
    ModelSpec,
    Pretrained,
    Recipe,
    Schedule,
    Sequential,
    Start,
    Task,
    Train,
    TrainConfig,
    Uniform,
)
from adaptx.catalog import (
    E5_MINI,
    INDONLI,
    MT5_BASE,
    MT5_LARGE,
    MT5_SMALL,
    MT5_ZERO_SHOT,
    NLI,
    PAWSX,
    SNLI,
    TYDIQA,
    UDPOS,
    XNLI,
    XQUAD,
)

TYDIQA_ALL = replace(
    TYDIQA,
    name="tydiqa_multilingual",
    train=tuple(replace(rows, split="train", expected=None) for rows in TYDIQA.evaluation),
)
"""TyDiQA's training rows of all nine languages."""


@dataclass(frozen=True)
class Size:
    """What the two sizes differ in. intermediates: task or mixture -> most rows a task. targets: task -> epochs."""

    models: tuple[ModelSpec, ...]
    method: Method
    seeds: tuple[int, ...]
    intermediates: dict[Task | Mixture, int]
    targets: dict[Task, float]
    rate: float
    schedule: Schedule
    dropout: float | None
    batch: int
    target_rows: int | None
    test_rows: int | None = None


SIZES = {
    "full": Size(
        (MT5_SMALL, MT5_BASE, MT5_LARGE),
        Full(),
        (1, 2, 3),
        {
            PAWSX: 49_401,
            replace(PAWSX.with_translated(), name="pawsx_multilingual"): 49_401,
            TYDIQA: 3_696,
            TYDIQA_ALL: 3_696,
        },
        {XNLI: 2, XQUAD: 2, UDPOS: 3},
        # AdamW's rate: 1e-3, which mT5's authors used, is AdaFactor's.
        3e-4,
        Schedule.CONSTANT,
        0.1,
        32,
        None,
    ),
    # Rate and batch are the quickstart's, which were chosen on English development rows.
    "small": Size(
        (E5_MINI, E5_MINI.cut(3)),
        Lora(),
        (1, 2, 3),
        {SNLI: 1_000, Mixture((SNLI, INDONLI), Uniform(), shared_heads=True, label="snli_indonli"): 500},
        {NLI: 4},
        3e-3,
        Schedule.LINEAR,
        None,
        16,
        150,
        150,
    ),
}


def build(
    size: Literal["full", "small"] = "full", model: ModelSpec | None = None, seeds: tuple[int, ...] | None = None
) -> Recipe:
    """Each target from the checkpoint, and after each intermediate task in English and in many languages."""
    chosen = SIZES[size]

    def train(
        checkpoint: ModelSpec, task: Task | Mixture, seed: int, epochs: float, rows: int | None, start: Start
    ) -> Train:
        long = any(each.column("context") for each in task.train)
        config = TrainConfig(
            learning_rate=chosen.rate,
            epochs=epochs,
            batch_size=chosen.batch,
            seed=seed,
            precision="bf16",
            schedule=chosen.schedule,
            dropout=chosen.dropout,
            max_length=384 if long else 128,
        )
        return Train(checkpoint, task, chosen.method, config, start, limit=rows)

    trained = [
        train(checkpoint, task, seed, epochs, chosen.target_rows, start)
        for checkpoint in ((model,) if model is not None else chosen.models)
        for seed in seeds or chosen.seeds
        for start in (
            Pretrained(),
            *(
                Sequential(train(checkpoint, task, seed, 1, rows, Pretrained()))
                for task, rows in chosen.intermediates.items()
            ),
        )
        for task, epochs in chosen.targets.items()
    ]
    # TyDiQA's English rows are an intermediate task here, and what comes of them alone is a published baseline.
    before = dict.fromkeys(each.start.stage for each in trained if isinstance(each.start, Sequential))
    trained += [each for each in before if isinstance(each, Train) and each.task == TYDIQA]
    notes = ("Trained by AdamW at a constant 3e-4; mT5's authors used AdaFactor at 1e-3 with batches of 2^17 tokens.",)
    return Recipe(
        f"mt5-multilingual-{size}",
        tuple(
            Evaluate(each, task, language, limit=chosen.test_rows)
            for each in trained
            for task in each.tasks
            for language in task.languages
        ),
        title="Multilingual against English-only intermediate tasks, at several sizes",
        question="mT5 small to large: do multilingual intermediate tasks transfer better than English ones, "
        "and does size shrink that?",
        notes=(f"Size: {size}.", *(notes if size == "full" else ("An encoder stands in mT5's place.",))),
        published=MT5_ZERO_SHOT if size == "full" else (),
    )
