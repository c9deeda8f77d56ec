"""Which intermediate task helps which target of XTREME and XTREME-R: NLI, question answering, multiple choice, or all?

    adaptx run recipes/xtreme_sample.py --data DIR --limit 40      # about eight minutes on two CPU cores
    adaptx report recipes/xtreme_sample.py --data DIR --limit 40 --out xtreme-report

With so few rows nothing is learned yet: that run shows the way and the report. Without `--limit` the numbers mean
something, and it takes hours on two cores (`adaptx plan` estimates them).

A sample of Phang et al. 2020 (arXiv:2005.13013): three English intermediate tasks (MNLI, SQuAD v1.1, HellaSwag) and
their mixture, then every target task on its English rows, scored zero-shot. LANGUAGES names what is scored of each
target. It is a sample in three ways, which the report repeats: a small encoder instead of XLM-R large, few rows, and
of the benchmarks only the tasks and languages whose rows are free to pass on. Where its training set is not, another
stands in: XCOPA is trained on Social IQa alone, and MLQA is scored on its development rows.
"""

from dataclasses import replace

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
    E5_MINI,
    HELLASWAG,
    LAREQA,
    MLQA,
    MNLI,
    SOCIALIQA,
    SQUAD,
    TATOEBA,
    TYDIQA,
    UDPOS,
    XCOPA,
    XNLI,
    XQUAD,
    XTREME,
    XTREME_R,
)

LANGUAGES = {
    "xnli": ("en", "de", "es", "ur"),
    "xcopa": ("et", "id", "it", "sw", "ta", "tr", "vi", "zh"),
    "udpos": ("en", "bg", "de", "el", "es", "eu", "fi", "he", "id", "ja", "ko", "mr", "ru", "ta", "tr", "zh"),
    "xquad": ("en", "ar", "de", "el", "es", "ru", "tr", "zh"),
    "mlqa": ("de",),
    "tydiqa": ("en", "ar", "fi", "id", "ko", "ru", "sw"),
    "lareqa": ("en", "ar", "de", "el", "es", "ru", "tr", "zh"),
    "tatoeba": (
        "af", "bg", "bn", "el", "es", "et", "fa", "fi", "fr", "he", "hi", "hu", "id", "it", "ja", "kk", "mr", "nl",
        "pt", "ru", "ta", "tl", "tr", "ur", "vi", "zh",
    ),
}  # fmt: skip
"""Target task -> languages that are scored."""

METHOD = Lora(rank=8, alpha=16)
LEARNING_RATE = 1e-3
BATCH_SIZE = 16
CONTEXT_TOKENS = 256
"""Length for tasks that look for an answer in a passage; others read 128 tokens."""


def sampled(task: Task) -> Task:
    """The task with the rows that the sample has of it."""
    languages = LANGUAGES[task.name]
    chosen = replace(task, evaluation=tuple(rows for rows in task.evaluation if rows.language in languages))
    match task.name:
        case "xcopa":
            return replace(chosen, train=SOCIALIQA.train, development=SOCIALIQA.development)
        case "mlqa":
            return replace(
                chosen, evaluation=tuple(replace(rows, split="validation", expected=512) for rows in chosen.evaluation)
            )
        case "lareqa":
            return replace(chosen, pool=tuple(rows for rows in task.pool if rows.language in languages))
        case _:
            return chosen


TARGETS = tuple(sampled(task) for task in (XNLI, XCOPA, UDPOS, XQUAD, MLQA, TYDIQA, LAREQA))
RETRIEVED = sampled(TATOEBA)


def build(
    model: ModelSpec = E5_MINI,
    seed: int = 1,
    intermediate_rows: int = 3_000,
    target_rows: int = 1_000,
    epochs: float = 3,
) -> Recipe:
    """Four intermediate trainings; each target is trained from the checkpoint and from each of them."""

    def config(*tasks: Task) -> TrainConfig:
        long = any(rows.column("context") for task in tasks for rows in task.train)
        return TrainConfig(
            learning_rate=LEARNING_RATE,
            epochs=epochs,
            batch_size=BATCH_SIZE,
            seed=seed,
            precision="bf16",
            max_length=CONTEXT_TOKENS if long else 128,
        )

    def intermediate(task: Task | Mixture, *tasks: Task) -> Train:
        return Train(model, task, METHOD, config(*tasks), limit=intermediate_rows)

    singles = (MNLI, SQUAD, HELLASWAG)
    together = Mixture(singles, Proportional(most=intermediate_rows), label="multi")
    intermediates = (*(intermediate(task, task) for task in singles), intermediate(together, *singles))
    starts: tuple[Start, ...] = (Pretrained(), *(Sequential(trained) for trained in intermediates))
    targets = [
        Train(model, task, METHOD, config(task), start=start, limit=target_rows) for task in TARGETS for start in starts
    ]
    return Recipe(
        "xtreme-sample",
        (
            *(
                Evaluate(trained, task, language)
                for trained in targets
                for task in trained.tasks
                for language in task.languages
            ),
            *(
                Evaluate(embedder, RETRIEVED, language, precision="bf16")
                for embedder in (model, *intermediates)
                for language in RETRIEVED.languages
            ),
        ),
        title="A sample of XTREME and XTREME-R after NLI, question answering, multiple choice, and all three",
        question="Which intermediate task helps which target of XTREME and XTREME-R: NLI, question answering, "
        "multiple choice, or all?",
        suites=(XTREME, XTREME_R),
    )
