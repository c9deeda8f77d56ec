"""The source of a recipe for the user's own files, with fields in braces."""

CHOOSING = """\
        # The weights that score best on the development rows are kept.
        chosen = replace(config, selection=Best(every={every}))
"""
TEMPLATE = '''\
"""{question}

Written by: {command}

    adaptx plan {file}       # stages and what they cost
    adaptx run {file}
    adaptx report {file}     # which gains are real

Options: --model ID, --set seeds=5, --set learning_rate=1e-3, ...
"""

from dataclasses import replace
from pathlib import Path

from adaptx import {imports}
from adaptx.catalog import {catalog}

HERE = Path(__file__).parent

{format}

# Models are trained on the languages in `train`. Other languages in `evaluation` are zero-shot.
TASK = local_task(
    {name},
    FORMAT,
{sets}{columns})

# {why}.
# `adaptx tasks` lists others.
INTERMEDIATE = {constant}


def build(
    model: ModelSpec = XLMR_BASE,
    seeds: int = 3,  # a verdict over seeds needs at least three
    learning_rate: float = 5e-4,  # for LoRA; `tune` searches one on development rows
    epochs: float = {epochs},
    intermediate_rows: int = 10_000,
) -> Recipe:
    """Return a recipe with two variants per seed: the baseline, and the same training after the intermediate task."""
    measured = []
    for seed in range(1, seeds + 1):
        config = TrainConfig(
            learning_rate=learning_rate,
            epochs=epochs,
            batch_size=16,
            seed=seed,
            max_length={max_length},  # tokens per text; longer texts are cut
        )
        first = Train(model, INTERMEDIATE, Lora(), replace(config, epochs=1), limit=intermediate_rows)
{choosing}        for start in (Pretrained(), Sequential(first)):
            measured += evaluations(Train(model, TASK, Lora(), {target}, start=start), TASK)
    return Recipe(
        {name},
        tuple(measured),
        title={title},
        question={quoted},
    )
'''
