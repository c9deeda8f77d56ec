"""Below 1B parameters: does single-task or multi-task intermediate training close more of the generalisation gap?

    adaptx plan recipes/sub1b_gap.py                          # full size: cost on each GPU type
    adaptx run recipes/sub1b_gap.py --size medium --data DIR --workers 2
    adaptx report recipes/sub1b_gap.py --size medium --data DIR --out sub1b-gap-report

The gap is the English score minus the mean score of the other languages. It says something only where both are above
chance, so the contrasts are about scores in other languages. Hypotheses. H1: both kinds of intermediate training raise
them. H2: multi-task training raises them more than the average single task, and less than the best one. H3: the smaller
the model, the larger the difference between the two kinds.

Factors: what is trained before the target (nothing; each single task; their mixture with as many tokens in all as one
task, or with as many tokens of each task), model, target, seed. Learning rates are searched alike with and without an
intermediate task. No training row is in both stages.

Full size: XLM-R base (278M) and large (560M) with LoRA; MNLI, SQuAD v1.1, HellaSwag, their mixtures, and MNLI with
shuffled labels; five targets of XTREME; five seeds. Medium size: e5-mini (17M); SNLI, SQuAD, CommonsenseQA and their
mixtures before MNLI and topics; five seeds. Its trainings are in part those of `phang2020.py --size medium`, so a store
that has run it holds them. Small size: the medium size with few rows, to test that it runs.
"""

from collections import defaultdict
from itertools import product
from typing import Literal

from adaptx import Contrast, Evaluate, ModelSpec, Recipe, Term, difference, evaluations
from sizes.sub1b_gap import SIZES
from sizes.trainings import searched_trainings


def build(
    size: Literal["full", "medium", "small"] = "full", model: ModelSpec | None = None,
    seeds: tuple[int, ...] | None = None,
) -> Recipe:  # fmt: skip
    """Return a recipe with each target alone, after each single task and after their mixtures, per model and seed."""
    chosen, models = SIZES[size], (model,) if model else SIZES[size].models
    intermediate, target = searched_trainings(chosen, chosen.passage_tokens)
    scored: dict[tuple[str, str, ModelSpec], list[Evaluate]] = defaultdict(list)
    for checkpoint, seed, task in product(models, seeds or chosen.seeds, chosen.targets):
        before = {each.name: intermediate(checkpoint, each, seed) for each in chosen.before}
        for name, trained in {"none": None, **before}.items():
            measured = target(checkpoint, task, seed, trained)
            scored[task.name, name, checkpoint] += evaluations(measured, task, limit=chosen.test_rows)

    def side(task: str, *names: str, at: tuple[ModelSpec, ...] = models) -> tuple[Evaluate, ...]:
        return tuple(each for name in names for checkpoint in at for each in scored[task, name, checkpoint])

    contrasts: list[Contrast] = []
    for task, singles in chosen.contrasts:
        none, multi, single = side(task, "none"), side(task, "multi"), side(task, *singles)
        best, control = side(task, singles[0]), side(task, f"{singles[0]}_shuffled")
        contrasts += [
            difference(f"{task}: the mean single task rather than nothing", single, none),
            difference(f"{task}: the mixture rather than nothing", multi, none),
            difference(f"{task}: the mixture rather than the mean single task", multi, single),
            difference(f"{task}: the mixture with as much of each task rather than {singles[0]} alone",
                       side(task, "multi_of_each"), best),
            *([difference(f"{task}: {singles[0]} rather than its shuffled labels", best, control)] if control else []),
        ]  # fmt: skip
        if len(models) > 1:
            ends = ((1, models[0]), (-1, models[-1]))
            name = f"mixture rather than the mean single task, at {models[0].name} rather than at {models[-1].name}"
            contrasts.append(Contrast(f"{task}: the {name}", tuple(
                Term(sign * way, side(task, *names, at=(each,)))
                for sign, each in ends for way, names in ((1, ("multi",)), (-1, singles)))))  # fmt: skip
    return Recipe(
        f"sub1b-gap-{size}", tuple(each for same in scored.values() for each in same), smoke=size == "small",
        title="Single-task against multi-task intermediate training, and the gap between English and other languages",
        question="Below 1B parameters: does single-task or multi-task intermediate training close more of the "
        "generalisation gap?",
        notes=(f"Size: {size}. The mixture called multi reads as many tokens in all as one task alone; multi_of_each "
               "reads about as many tokens of each task as that task alone does.",), contrasts=tuple(contrasts),
    )  # fmt: skip
