"""Does English intermediate-task training improve zero-shot transfer? (Phang et al. 2020, arXiv:2005.13013)

    adaptx plan recipes/phang2020.py                             # full size: cost on each GPU type
    adaptx run recipes/phang2020.py --set ccg=DIR-OF-CCGBANK     # the ninth intermediate task needs your own licence
    adaptx run recipes/phang2020.py --size medium --data DIR --workers 2
    adaptx report recipes/phang2020.py --size medium --data DIR --out phang2020-report

Hypotheses, from the paper's abstract. H1: an intermediate task raises XTREME's average, most of all sentence retrieval
(BUCC, Tatoeba), then question answering. H2: MNLI, SQuAD and HellaSwag are the best single tasks. H3: multi-task
training adds a little. H4: masked language modelling or translations next to the intermediate task add nothing.

Factors: what is trained before the target (nothing; single tasks, also with equally many rows; all of them; MNLI with
masked language modelling; MNLI with its translations; one task with shuffled labels), target task, seed. The report
shows the published scores next to ours. Its notes list the choices that the paper's text leaves open.

Full size: XLM-R large, full fine-tuning, all of XTREME, five seeds; eight of the nine intermediate tasks without CCG.
Medium size: e5-mini with LoRA, five seeds; SNLI, SQuAD, CommonsenseQA and their mixture with equally many tokens, and
SNLI with shuffled labels as a control; MNLI, TyDiQA and Tatoeba as targets; learning rates searched alike with and
without an intermediate task. Small size: the medium size with few rows, to test that it runs.
"""

from collections import defaultdict
from functools import cache
from typing import Any, Literal

from adaptx import (
    Evaluate, Mixture, ModelSpec, Pretrained, Recipe, Sequential, Start, Task, Train, TrainConfig, difference,
    evaluations, tune,
)  # fmt: skip
from adaptx.catalog import MLQA, XQUAD, ccg_task
from sizes.phang2020 import SIZES


def build(
    size: Literal["full", "medium", "small"] = "full", model: ModelSpec | None = None,
    seeds: tuple[int, ...] | None = None, ccg: str = "",
) -> Recipe:  # fmt: skip
    """Return the recipe. ccg: a folder of CCGbank or tagged files (`adaptx.catalog.ccg_task`); without it, no CCG."""
    chosen = SIZES[size]
    checkpoint = model or chosen.model
    before = chosen.before((*chosen.singles, *((ccg_task(ccg),) if ccg else ())))
    first_with = {reads: next(task for task in before if task.reads_passages == reads) for reads in (False, True)}
    target_with = {task.reads_passages: task for task in reversed(chosen.targets)}

    def train(task: Task | Mixture, seed: int, rate: Any, start: Start, limit=None, **more) -> Train:
        batch, tokens = chosen.passage_sizes if task.reads_passages else chosen.sentence_sizes
        config = TrainConfig(rate, batch_size=batch, max_length=tokens, seed=seed, **chosen.settings, **more)
        return Train(checkpoint, task, chosen.method, config, start, limit=limit)

    @cache
    def intermediate(task: Task | Mixture, seed: int) -> Train:
        """Train an intermediate task with the rate of a target that reads texts of the same kind."""
        alone = rate(target_with[task.reads_passages], False)
        return train(task, seed, alone, Pretrained(), **before[task])

    def target(task: Task, seed: int, rate: Any, start: Start) -> Train:
        return train(task, seed, rate, start, **chosen.targets[task], **chosen.selection)

    @cache
    def rate(task: Task, is_continued: bool) -> Any:
        """Search for a target's rate: from the checkpoint, or after the first task with texts of the same kind."""

        def trial(value: float, seed: int) -> Train:
            first = first_with[task.reads_passages]
            return target(task, seed, value, Sequential(intermediate(first, seed)) if is_continued else Pretrained())

        return tune(trial, chosen.grid, seeds=(101,), limit=500)

    def before_target(task: Task, names: dict[str, Any]) -> list[str]:
        return [name for name in names if name in ("none", *chosen.only.get(task.name, names))]

    scored: dict[tuple[str, str], list[Evaluate]] = defaultdict(list)
    for seed in seeds or chosen.seeds:
        for task in chosen.targets:
            starts = {"none": Pretrained(), **{each.name: Sequential(intermediate(each, seed)) for each in before}}
            for name in before_target(task, starts):
                trained = target(task, seed, rate(task, name != "none"), starts[name])
                scored[task.name, name] += evaluations(trained, task, limit=chosen.test_rows.get(task.name))
                # A model that was trained on XQuAD's English rows is also evaluated on MLQA.
                if task.name == XQUAD.name:
                    scored["mlqa", name] += evaluations(trained, MLQA, limit=chosen.test_rows.get(task.name))
        for task in chosen.retrieved:
            embedders = {"none": checkpoint, **{each.name: intermediate(each, seed) for each in before}}
            for name in before_target(task, embedders):
                scored[task.name, name] += evaluations(
                    embedders[name], task, limit=chosen.test_rows.get(task.name), precision="bf16"
                )

    def side(tasks: tuple[str, ...], names: tuple[str, ...]) -> list[Evaluate]:
        return list(dict.fromkeys(each for task in tasks for name in names for each in scored[task, name]))

    left_out = () if ccg or size != "full" else ("CCG is left out: CCGbank needs its own licence (--set ccg=DIR).",)
    return Recipe(
        f"phang2020-{size}", tuple(each for same in scored.values() for each in same),
        suites=chosen.suites, published=chosen.published, notes=(*chosen.notes, *left_out), smoke=size == "small",
        title="English intermediate-task training before XTREME",
        question="Does English intermediate-task training improve zero-shot transfer, as Phang et al. 2020 found?",
        contrasts=tuple(difference(name, side(tasks, these), side(tasks, those))
                        for name, (tasks, these, those) in chosen.contrasts.items()),
    )  # fmt: skip
