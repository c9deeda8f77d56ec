"""Does English intermediate training help zero-shot transfer less, the larger the multilingual model is?

    adaptx plan recipes/model_size.py                            # full size: cost on each GPU type
    adaptx run recipes/model_size.py --size medium --data DIR --workers 2    # DIR/models holds e5-small
    adaptx report recipes/model_size.py --size medium --data DIR --out model-size-report

Hypotheses. H1: the gain over the matched baseline falls as the number of parameters grows, because larger models need
the intermediate task less. H2: the gain falls faster in high-resource languages. H3: question answering keeps its gain
up to larger sizes than the other tasks do.

Factors: one family at several sizes, intermediate task (none, NLI, question answering, multiple choice), target, seed.
Each size has its own learning rates, the best of three on development rows, so that a trend over sizes is no trend of
tuning. No training row is in an intermediate task and in a target.

Full size: XLM-R base, large, XL and XXL, published checkpoints and no cut ones, on the tasks of XTREME-R that have
training rows, and on Tatoeba; equally many rows of each intermediate task; five seeds. All sizes train LoRA at every
linear map, because full fine-tuning of XXL fits on no single GPU. Medium size: e5-mini (6 layers) and
multilingual-e5-small (12 layers, of which e5-mini was made), five seeds; SNLI before 1,600 rows of MNLI. Two sizes show
a difference, not a trend. Small size: the medium size with few rows and cut models, to test that it runs.
"""

from collections import defaultdict
from itertools import product
from typing import Literal

from adaptx import Contrast, Evaluate, ModelSpec, Recipe, Term, evaluations
from adaptx.catalog import MLQA
from sizes.model_size import SIZES
from sizes.trainings import searched_trainings


def build(
    size: Literal["full", "medium", "small"] = "full", model: ModelSpec | None = None,
    seeds: tuple[int, ...] | None = None,
) -> Recipe:  # fmt: skip
    """Return a recipe with each target from the checkpoint and after each intermediate task, per model size and seed.

    model: a checkpoint that replaces the largest model, such as a folder of e5-small.
    """
    chosen = SIZES[size]
    models = (*chosen.models[:-1], model) if model else chosen.models
    intermediate, target = searched_trainings(chosen)
    scored: dict[tuple[str, str, ModelSpec], list[Evaluate]] = defaultdict(list)
    for checkpoint, seed in product(models, seeds or chosen.seeds):
        before = {task.name: intermediate(checkpoint, task, seed) for task in chosen.before}
        for task, (name, trained) in product(chosen.targets, {"none": None, **before}.items()):
            measured = target(checkpoint, task, seed, trained)
            # A model that was trained on XQuAD's English rows is also evaluated on MLQA.
            for answered in (task, MLQA) if task.name == "xquad_12" else (task,):
                scored[answered.name, name, checkpoint] += evaluations(measured, answered, limit=chosen.test_rows)
        for task, (name, embedder) in product(chosen.retrieved, {"none": checkpoint, **before}.items()):
            scored[task.name, name, checkpoint] += evaluations(embedder, task)

    def growth(task: str, before: str, languages: tuple[str, ...] | None = None, sign: int = 1) -> tuple[Term, ...]:
        """Return the gain in the largest model minus the gain in the smallest, as terms of a contrast."""
        ends = ((sign, models[-1]), (-sign, models[0]))
        return tuple(Term(weight * way, tuple(scored[task, name, each]), languages)
                     for weight, each in ends for way, name in ((1, before), (-1, "none")))  # fmt: skip

    sizes = f"at {models[-1].name} rather than at {models[0].name}"
    contrasts = {f"{task}: the gain of {before} {sizes}": growth(task, before) for task, before in chosen.contrasts}
    for one, other in chosen.between:
        contrasts[f"{one[0]} rather than {other[0]}: the gain {sizes}"] = growth(*one) + growth(*other, sign=-1)
    for task, before, low, high in chosen.resources:
        name = f"{task}: the gain of {before} in low- rather than high-resource languages, {sizes}"
        contrasts[name] = growth(task, before, low) + growth(task, before, high, sign=-1)
    return Recipe(
        f"model-size-{size}", tuple(dict.fromkeys(each for same in scored.values() for each in same)),
        title="English intermediate training at several sizes of one multilingual model",
        question="Does English intermediate training help zero-shot transfer less, the larger the multilingual model "
        "is?", smoke=size == "small", notes=(f"Size: {size}.",), suites=chosen.suites,
        contrasts=tuple(Contrast(*each) for each in contrasts.items()),
    )  # fmt: skip
