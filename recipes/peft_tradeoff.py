"""Full, LoRA, bottleneck; sequential, stacked, fused, merged: what does a gain cost in memory and time?

    adaptx plan recipes/peft_tradeoff.py                          # full size: cost on each GPU type
    adaptx run recipes/peft_tradeoff.py --size medium --data DIR --workers 2
    adaptx report recipes/peft_tradeoff.py --size medium --data DIR --out peft-tradeoff-report

Hypotheses. H1: LoRA and adapters keep most of full fine-tuning's gain at a fraction of its memory. H2: continuing one
module beats mixing several if target rows are few, because the mixing has to be learned. H3: merging adds no cost to
the target training and loses little to the best single task. H4: the order of methods is the same at every model size.

Factors: method (full, LoRA, bottleneck), how two intermediate tasks are carried over (none, one continued, stacked,
fused, merged), model size, target, seed. Each method has a learning rate of its own for the target alone, for the
target after an intermediate task, and for mixing layers, each the best of three on development rows. The report draws
score against operations, with the Pareto front.

Full size: XLM-R base and large; MNLI and SQuAD v1.1 before PAWS-X and TyDiQA; five seeds. Medium size: e5-mini; SNLI
and SIB-200 topics before 1,200 rows of MNLI, five seeds. Small size: the medium size with few rows, to test that it
runs.
"""

from collections import defaultdict
from functools import cache
from itertools import product
from typing import Any, Literal

from adaptx import (
    Attention, Contrast, Evaluate, Full, Fuse, Linear, Lora, Merge, Merged, Method, ModelSpec, NoHead, Pretrained,
    Recipe, Sequential, Stack, Start, Task, Term, Ties, Train, TrainConfig, evaluations, tune,
)  # fmt: skip
from sizes.peft_tradeoff import SIZES


def build(
    size: Literal["full", "medium", "small"] = "full", model: ModelSpec | None = None,
    seeds: tuple[int, ...] | None = None,
) -> Recipe:  # fmt: skip
    """Return a recipe with two intermediate trainings per method, model and seed, and each target after them."""
    chosen = SIZES[size]

    def train(
        checkpoint: ModelSpec, method: Method, task: Task, seed: int, rate: Any, start: Start, limit=None, **more
    ) -> Train:  # fmt: skip
        tokens = 384 if task.reads_passages else 128
        config = TrainConfig(rate, seed=seed, precision="bf16", max_length=tokens, **chosen.settings, **more)
        return Train(checkpoint, task, method, config, start, limit=limit)

    @cache
    def modules(checkpoint: ModelSpec, method: Method, seed: int) -> tuple[Train, ...]:
        """Train both intermediate tasks, with the rate of the first target."""
        rate = rate_of(checkpoint, method, next(iter(chosen.targets)), "none")
        return tuple(train(checkpoint, method, task, seed, rate, Pretrained(), **amount)
                     for task, amount in chosen.intermediates.items())  # fmt: skip

    def starts(checkpoint: ModelSpec, method: Method, seed: int) -> dict[str, Start]:
        both = modules(checkpoint, method, seed)
        found = {each.task.name: Sequential(each) for each in both}
        # A full fine-tuning can be neither stacked nor fused.
        if not isinstance(method, Full):
            found["stack"] = Stack(both)
            found["fuse"] = Fuse(both, Attention(rank=16) if isinstance(method, Lora) else Attention())
        found["merged"] = Merged(Merge(both, Ties() if isinstance(method, Lora) else Linear(), NoHead()))
        return found

    def target(checkpoint: ModelSpec, method: Method, task: Task, seed: int, start: str, rate: Any) -> Train:
        if start == "none":
            return train(checkpoint, method, task, seed, rate, Pretrained(), **chosen.targets[task])
        # The head of a fused model is new, and trains with the rate of the other heads.
        head = {"head_learning_rate": rate_of(checkpoint, method, task, "none")} if start == "fuse" else {}
        before = starts(checkpoint, method, seed)[start]
        return train(checkpoint, method, task, seed, rate, before, **chosen.targets[task], **head)

    @cache
    def rate_of(checkpoint: ModelSpec, method: Method, task: Task, start: str) -> Any:
        """Search for a rate: of a target alone, after its first intermediate task, or of mixing layers."""
        grid = chosen.fusion_grid if start == "fuse" else chosen.grids[method]
        return tune(lambda rate, seed: target(checkpoint, method, task, seed, start, rate), grid, seeds=(101,),
                    limit=500)  # fmt: skip

    scored: dict[tuple[str, str, str, ModelSpec], list[Evaluate]] = defaultdict(list)
    models, first = (model,) if model else chosen.models, next(iter(chosen.intermediates)).name
    for checkpoint, seed, method, task in product(models, seeds or chosen.seeds, chosen.grids, chosen.targets):
        for start in ("none", *starts(checkpoint, method, seed)):
            rate = rate_of(checkpoint, method, task, start if start in ("none", "fuse") else first)
            trained = target(checkpoint, method, task, seed, start, rate)
            scored[task.name, method.label, start, checkpoint] += evaluations(trained, task, limit=chosen.test_rows)

    def terms(name: str, at: tuple[ModelSpec, ...], sign: int = 1) -> tuple[Term, ...]:
        return tuple(Term(sign * weight, tuple(same for each in at for same in scored[(*rest, each)]))
                     for weight, *rest in chosen.contrasts[name])  # fmt: skip

    found = {name: terms(name, models) for name in chosen.contrasts}
    sizes = f"at {models[-1].name} rather than at {models[0].name}"
    for name in chosen.at_sizes if len(models) > 1 else ():
        found[f"{name}, {sizes}"] = terms(name, models[-1:]) + terms(name, models[:1], -1)
    return Recipe(
        f"peft-tradeoff-{size}", tuple(each for same in scored.values() for each in same), smoke=size == "small",
        title="What a gain costs: full fine-tuning, LoRA and adapters; sequential, stacked, fused and merged",
        question="Full, LoRA, bottleneck; sequential, stacked, fused, merged: what does a gain cost in memory "
        "and time?", notes=(f"Size: {size}.",), contrasts=tuple(Contrast(*each) for each in found.items()),
    )  # fmt: skip
