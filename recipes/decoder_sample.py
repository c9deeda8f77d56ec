"""Does an English intermediate task help a small decoder that reads a prompt, if the target has few rows?

    adaptx run recipes/decoder_sample.py --data DIR      # under an hour on two idle CPU cores
    adaptx report recipes/decoder_sample.py --data DIR --out decoder-report

SmolLM2 135M reads a premise and a hypothesis as a prompt and ranks the answers "yes", "maybe" and "no". It is trained
with LoRA on SNLI first and then on a few rows of MNLI. Its baseline is the same training without SNLI. Both are scored
on XNLI's English test pairs, and on German and Spanish, of which the checkpoint has seen almost nothing. `--model DIR`
uses another decoder.
"""

from adaptx import (
    Evaluate,
    Lora,
    ModelSpec,
    Pretrained,
    Rank,
    Recipe,
    Sequential,
    Start,
    Task,
    Text,
    Train,
    TrainConfig,
    evaluations,
)
from adaptx.catalog import SMOLLM2_135M, SNLI, XNLI
from adaptx.catalog.prompts import NLI_YES_NO

OTHERS = ("de", "es")
METHOD = Lora(rank=8, alpha=16)
PRETRAINED = Pretrained()
ASKED = Text(NLI_YES_NO, Rank())


def build(
    model: ModelSpec = SMOLLM2_135M,
    seed: int = 1,
    intermediate_rows: int = 1_600,
    target_rows: int = 150,
    english_rows: int = 400,
    other_rows: int = 150,
) -> Recipe:
    """Return a recipe with one intermediate training, two target trainings, and the checkpoint without training."""

    def train(task: Task, rows: int, epochs: float, start: Start = PRETRAINED) -> Train:
        config = TrainConfig(learning_rate=1e-3, epochs=epochs, batch_size=16, seed=seed, max_length=160)
        return Train(model, task, METHOD, config, start, framing=ASKED, limit=rows)

    target = XNLI.in_languages("en", *OTHERS)
    intermediate = train(SNLI, intermediate_rows, epochs=1)
    trained = (
        train(target, target_rows, epochs=4),
        train(target, target_rows, epochs=4, start=Sequential(intermediate)),
    )
    measured = [Evaluate(model, target, "en", framing=ASKED, limit=english_rows)]
    for each in trained:
        measured += (Evaluate(each, target, "en", limit=english_rows), *evaluations(each, target, OTHERS, other_rows))
    return Recipe(
        "decoder-sample",
        tuple(measured),
        question="Does SNLI before a few rows of MNLI help a small decoder that reads a prompt?",
        title="SmolLM2 with a prompt: a few rows of MNLI, with and without SNLI before them",
    )
