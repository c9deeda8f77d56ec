"""Does training on an intermediate task first help zero-shot transfer, and which way of carrying it over is best?

    adaptx run recipes/quickstart.py --data sample --workers 2    # a few minutes on two CPU cores, no network
    adaptx report recipes/quickstart.py --data sample --out quickstart-report

The target is natural-language inference with 300 English training examples (MNLI), scored in Indonesian, Korean,
Aymara, Guarani and Quechua, in which it is never trained. The intermediate task is SNLI (3,000 rows), trained with each
method. `Fuse` mixes SNLI with SIB-200 topics. Tatoeba retrieval needs no training of its own and shows what the
intermediate stage does to sentence embeddings.

With access to the hub the same recipe runs on larger checkpoints: --model FacebookAI/xlm-roberta-base, without --data.
"""

from adaptx import (
    Bottleneck,
    Full,
    Fuse,
    Lora,
    Method,
    ModelSpec,
    Pretrained,
    Recipe,
    Sequential,
    Stack,
    Start,
    Task,
    Train,
    TrainConfig,
    evaluations,
)
from adaptx.catalog import E5_MINI, NLI, SIB200, SNLI, TATOEBA

FULL, LORA, BOTTLENECK = Full(), Lora(), Bottleneck()
LANGUAGES = ("en", "id", "ko", "aym", "gn", "quy")
RETRIEVAL_LANGUAGES = ("id", "es", "zh", "tr", "hi", "fi")

# Chosen on English development rows alone; the README says how.
INTERMEDIATE_RATES = {FULL: 1e-4, LORA: 3e-3, BOTTLENECK: 1e-3}
TARGET_RATES = {FULL: 2e-4, LORA: 3e-3, BOTTLENECK: 3e-3}
FUSION_RATE = 1e-3
BATCH_SIZE = 16


def build(
    model: ModelSpec = E5_MINI,
    seed: int = 1,
    intermediate_rows: int = 3_000,
    target_rows: int = 300,
    test_rows: int = 300,
    target_rate_factor: float = 1.0,
) -> Recipe:
    """Return a recipe with four intermediate and eight target trainings; every target is scored in six languages."""

    def intermediate(task: Task, method: Method, epochs: float) -> Train:
        rate = INTERMEDIATE_RATES[method]
        config = TrainConfig(learning_rate=rate, epochs=epochs, batch_size=BATCH_SIZE, seed=seed, precision="bf16")
        return Train(model, task, method, config, limit=intermediate_rows)

    def target(method: Method, start: Start) -> Train:
        head_rate = TARGET_RATES[method] * target_rate_factor
        rate = FUSION_RATE * target_rate_factor if isinstance(start, Fuse) else head_rate
        config = TrainConfig(
            learning_rate=rate,
            head_learning_rate=head_rate,
            epochs=5,
            batch_size=BATCH_SIZE,
            seed=seed,
            precision="bf16",
        )
        return Train(model, NLI, method, config, start=start, limit=target_rows)

    snli = {method: intermediate(SNLI, method, epochs=1) for method in (FULL, LORA, BOTTLENECK)}
    topics = intermediate(SIB200, BOTTLENECK, epochs=3)
    variants = [
        *(target(method, Pretrained()) for method in snli),
        *(target(method, Sequential(trained)) for method, trained in snli.items()),
        target(BOTTLENECK, Stack((snli[BOTTLENECK],))),
        target(BOTTLENECK, Fuse((snli[BOTTLENECK], topics))),
    ]
    measured = [each for variant in variants for each in evaluations(variant, NLI, LANGUAGES, test_rows)]
    for embedder in (model, *snli.values()):
        measured += evaluations(embedder, TATOEBA, RETRIEVAL_LANGUAGES, test_rows, precision="bf16")
    return Recipe(
        "quickstart",
        tuple(measured),
        title="Quickstart: SNLI before 300 examples of natural-language inference",
        question="Does training on an intermediate task first help zero-shot transfer, and which way of "
        "carrying it over is best?",
        primary="zero-shot average",
    )
