"""Which intermediate task helps which target of XTREME and XTREME-R: NLI, question answering, multiple choice, or all?

    adaptx run recipes/xtreme_sample.py --data DIR --limit 40      # about eight minutes on two CPU cores
    adaptx report recipes/xtreme_sample.py --data DIR --limit 40 --out xtreme-report

With so few rows nothing is learned: that run shows how the recipe and its report work. Without `--limit` the numbers
mean something, and the run takes hours on two cores (`adaptx plan` estimates how many).

This is a sample of Phang et al. 2020 (arXiv:2005.13013): three English intermediate tasks (MNLI, SQuAD v1.1, HellaSwag)
and their mixture, then every target task on its English rows, scored zero-shot in the languages that LANGUAGES lists.
It is a sample in three ways: a small encoder instead of XLM-R large, few rows, and only those tasks and languages of
the benchmarks whose rows may be redistributed. If a task's own rows may not be, other rows replace them: XCOPA is
trained on Social IQa alone, and MLQA is scored on its development rows.
"""

from dataclasses import replace

from adaptx import (
    Lora, Mixture, ModelSpec, Pretrained, Proportional, Recipe, Sequential, Start, Task, Train, TrainConfig,
    evaluations,
)  # fmt: skip
from adaptx.catalog import (
    E5_MINI, HELLASWAG, LAREQA, MLQA, MNLI, SOCIALIQA, SQUAD, TATOEBA, TYDIQA, UDPOS, XCOPA, XNLI, XQUAD, XTREME,
    XTREME_R,
)  # fmt: skip

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
"""Name of a target task -> the languages that are scored."""

METHOD = Lora(rank=8, alpha=16)
PRETRAINED = Pretrained()


def sampled(task: Task) -> Task:
    """Return the task with only the rows that the sample has."""
    languages = LANGUAGES[task.name]
    chosen = task.in_languages(*(language for language in task.languages if language in languages))
    match task.name:
        case "xcopa":
            return replace(chosen, train=SOCIALIQA.train, development=SOCIALIQA.development)
        case "mlqa":
            rows = tuple(replace(rows, split="validation", expected=512) for rows in chosen.evaluation)
            return replace(chosen, evaluation=rows)
        case "lareqa":
            return replace(chosen, pool=tuple(rows for rows in task.pool if rows.language in languages))
        case _:
            return chosen


def build(
    model: ModelSpec = E5_MINI,
    seed: int = 1,
    intermediate_rows: int = 3_000,
    target_rows: int = 1_000,
    epochs: float = 3,
) -> Recipe:
    """Return a recipe with four intermediate trainings, and each target from the checkpoint and after each of them."""

    def train(task: Task | Mixture, rows: int, start: Start = PRETRAINED) -> Train:
        tokens = 256 if task.reads_passages else 128
        config = TrainConfig(1e-3, epochs=epochs, batch_size=16, seed=seed, precision="bf16", max_length=tokens)
        return Train(model, task, METHOD, config, start, limit=rows)

    singles = (MNLI, SQUAD, HELLASWAG)
    together = Mixture(singles, Proportional(most=intermediate_rows), label="multi")
    intermediates = [train(task, intermediate_rows) for task in (*singles, together)]
    measured = []
    for task in map(sampled, (XNLI, XCOPA, UDPOS, XQUAD, MLQA, TYDIQA, LAREQA)):
        for start in (PRETRAINED, *map(Sequential, intermediates)):
            measured += evaluations(train(task, target_rows, start), task)
    for embedder in (model, *intermediates):
        measured += evaluations(embedder, sampled(TATOEBA), precision="bf16")
    return Recipe(
        "xtreme-sample",
        tuple(measured),
        title="A sample of XTREME and XTREME-R after NLI, question answering, multiple choice, and all three",
        question="Which intermediate task helps which target of XTREME and XTREME-R: NLI, question answering, "
        "multiple choice, or all?",
        suites=(XTREME, XTREME_R),
    )
