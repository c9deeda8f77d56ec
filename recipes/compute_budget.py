"""Is there an intermediate budget past which low-resource languages lose while English still gains?

    adaptx plan recipes/compute_budget.py                            # full size: cost on each GPU type
    adaptx run recipes/compute_budget.py --size medium --data DIR --workers 2
    adaptx report recipes/compute_budget.py --size medium --data DIR --out compute-budget-report

Hypotheses. H1: the English score of the target grows with the intermediate stage's compute. H2: the gain in
low-resource languages peaks at a smaller budget than the English one, as the model drifts from its multilingual
pretraining. H3: repeated rows help less than the same number of new ones. H4: at an equal number of examples, small
batches (more steps) drift further.

Factors: the number of distinct rows of the intermediate stage, the passes over them, and its batch size. Repeated and
new rows are compared at equal numbers of examples. Each batch size has a learning rate of its own, the best of three on
development rows; the target has one alone and one after an intermediate task. The schedule ends with the budget, so a
small budget is not a point on the way to a large one.

Full size: XLM-R base, five seeds. The intermediate tasks are SNLI and SQuAD v1.1. The targets are NLI (10,000 rows of
MNLI), in the 15 languages of XNLI and the 10 of AmericasNLI, and TyDiQA (3,696 rows), in 9 languages. Medium size:
e5-mini with LoRA, five seeds, SNLI with five budgets of 1,000 to 16,000 examples, 1,200 rows of MNLI, 8 languages.
Small size: the medium size with few rows, to test that it runs.
"""

from collections import defaultdict
from functools import cache
from typing import Any, Literal

from adaptx import (
    Contrast, Evaluate, ModelSpec, Pretrained, Recipe, Sequential, Start, Task, Term, Train, TrainConfig, difference,
    evaluations, tune,
)  # fmt: skip
from sizes.compute_budget import SIZES


def build(
    size: Literal["full", "medium", "small"] = "full", model: ModelSpec | None = None,
    seeds: tuple[int, ...] | None = None,
) -> Recipe:  # fmt: skip
    """Return a recipe with one intermediate training per budget and seed, and each target with and without them."""
    chosen = SIZES[size]

    def train(task: Task, seed: int, rate: Any, batch: int, start: Start, limit=None, **more) -> Train:
        tokens = 384 if task.reads_passages else 128
        config = TrainConfig(rate, batch_size=batch, max_length=tokens, seed=seed, **chosen.settings, **more)
        return Train(model or chosen.model, task, chosen.method, config, start, limit=limit)

    def spend(task: Task, seed: int, rate: Any, budget: tuple[int, int, int]) -> Train:
        rows, passes, batch = budget
        return train(task, seed, rate, batch, Pretrained(), limit=rows, epochs=passes)

    def target(task: Task, seed: int, rate: Any, start: Start) -> Train:
        return train(task, seed, rate, chosen.batch, start, **chosen.targets[task])

    @cache
    def rate_of_batch(task: Task, batch: int) -> Any:
        budget = next(each for each in chosen.budgets if each[2] == batch)
        return tune(lambda rate, seed: spend(task, seed, rate, budget), chosen.grid, seeds=(101,), limit=500)

    @cache
    def rate_of_target(task: Task, before: Task | None) -> Any:
        """Search for the rate of a target alone, or after an intermediate task with the middle budget."""

        def trial(rate: float, seed: int) -> Train:
            middle = chosen.named[3]
            spent = None if before is None else spend(before, seed, rate_of_batch(before, middle[2]), middle)
            return target(task, seed, rate, Pretrained() if spent is None else Sequential(spent))

        return tune(trial, chosen.grid, seeds=(101,), limit=500)

    scored: dict[tuple[str, str, Any], list[Evaluate]] = defaultdict(list)
    for seed, task in ((seed, task) for seed in seeds or chosen.seeds for task in chosen.targets):
        alone = target(task, seed, rate_of_target(task, None), Pretrained())
        scored[task.name, "none", None] += evaluations(alone, task, limit=chosen.test_rows)
        for before, budget in ((before, budget) for before in chosen.intermediates for budget in chosen.budgets):
            spent = spend(before, seed, rate_of_batch(before, budget[2]), budget)
            trained = target(task, seed, rate_of_target(task, before), Sequential(spent))
            scored[task.name, before.name, budget] += evaluations(trained, task, limit=chosen.test_rows)
    return Recipe(
        f"compute-budget-{size}", tuple(each for same in scored.values() for each in same), smoke=size == "small",
        title="Rows, passes and batch size of the intermediate stage, in English and in low-resource languages",
        question="Is there an intermediate budget past which low-resource languages lose while English still gains?",
        notes=(f"Size: {size}. A budget is named by its limit of rows, its epochs and its batch size.",),
        contrasts=tuple(each for names in chosen.contrasts for each in compared(chosen, scored, *names)),
    )  # fmt: skip


def compared(chosen: Any, scored: dict[Any, list[Evaluate]], before: str, task: str, low: Any) -> list[Contrast]:
    """Return the contrasts between the budgets of one intermediate task before one target."""
    most, fewest, repeated, fresh, large = (scored[task, before, each] for each in chosen.named)
    smaller = {"the smallest": fewest} | {which: scored[task, before, each] for which, each in chosen.middle.items()}
    found = [difference(f"{task}: repeated rows of {before} rather than as many new ones", repeated, fresh),
             difference(f"{task}: large batches of {before} rather than smaller ones", large, fresh)]  # fmt: skip
    for which, less in reversed(smaller.items()):
        more = f"{task}: the largest budget of {before} rather than {which}"
        found = [
            difference(f"{more}, in English", most, less, ("en",)),
            difference(f"{more}, in low-resource languages", most, less, low),
            Contrast(f"{more}, in English rather than in low-resource languages", (
                Term(1, tuple(most), ("en",)), Term(-1, tuple(less), ("en",)),
                Term(-1, tuple(most), low), Term(1, tuple(less), low))), *found]  # fmt: skip
    return found
