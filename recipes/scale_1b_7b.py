"""How do the gains of English intermediate training on other languages change as parameters grow from 1B to 7B?

    adaptx plan recipes/scale_1b_7b.py                           # full size: cost on each GPU type
    adaptx run recipes/scale_1b_7b.py --size medium --data DIR --model DIR-OF-SMOLLM2 --workers 2
    adaptx report recipes/scale_1b_7b.py --size medium --data DIR --model DIR-OF-SMOLLM2 --out scale-report

Hypotheses. H1: within a family, the gain over the matched baseline shrinks as the number of parameters grows, and
saturates. H2: question answering and multiple choice keep more of their gain than tagging and NLI. H3: languages with
little pretraining text keep gaining up to larger sizes than others do. H4: a decoder gains more if it reads a prompt
and ranks the answers, as in its pretraining, than if a new head reads its hidden states.

Factors: model (three sizes of Llama 3, three of Qwen3, and the encoder XLM-R XL for comparison), intermediate task
(none, NLI, question answering, multiple choice), target, how a decoder reads NLI (head or prompt), seed. All models
train LoRA at every linear map, with the best of several learning rates on development rows. No training row is in an
intermediate task and in a target.

Full size: Llama 3 (1B, 3B, 8B) and Qwen3 (1.7B, 4B, 8B) base checkpoints, XLM-R XL (3.5B); five targets of XTREME-R;
three seeds. Medium size: SmolLM2-135M, an English decoder, whole; SNLI before 400 rows of MNLI, with a head and with a
prompt; five seeds. It answers H4 for one small decoder, and no question about sizes. Small size: the medium size with
few rows, to test that it runs.
"""

from collections import defaultdict
from functools import cache
from itertools import product
from typing import Any, Literal

from adaptx import (
    Contrast, Evaluate, ModelFamily, ModelSpec, Pretrained, Recipe, Sequential, Task, Term, Train, TrainConfig,
    evaluations, tune,
)  # fmt: skip
from sizes.scale_1b_7b import SIZES


def build(
    size: Literal["full", "medium", "small"] = "full", model: ModelSpec | None = None,
    seeds: tuple[int, ...] | None = None,
) -> Recipe:  # fmt: skip
    """Return a recipe with each target from the checkpoint and after each intermediate task, at every model and seed.

    model: a checkpoint that replaces the models, such as a folder of SmolLM2-135M.
    """
    chosen = SIZES[size]
    first = next(iter(chosen.before))
    amounts = {**chosen.before, **chosen.targets}

    @cache
    def train(checkpoint: ModelSpec, task: Task, seed: int, rate: Any, asked: bool, before: Task | None) -> Train:
        """Train a task from the checkpoint, or after another task that is read in the same way."""
        rows = dict(amounts[task])
        limit, tokens = rows.pop("limit"), 384 if task.reads_passages else 160
        config = TrainConfig(rate, batch_size=chosen.batch, seed=seed, precision="bf16", max_length=tokens, **rows)
        alone = None if before is None else rate_of(checkpoint, next(iter(chosen.targets)), asked, False)
        start = Pretrained() if before is None else Sequential(train(checkpoint, before, seed, alone, asked, None))
        framing = chosen.asked[task] if asked else None
        return Train(checkpoint, task, chosen.method, config, start, framing=framing, limit=limit)

    @cache
    def rate_of(checkpoint: ModelSpec, task: Task, asked: bool, is_continued: bool) -> Any:
        """Search for a target's rate, from the checkpoint or after the first intermediate task."""
        before = first if is_continued else None
        return tune(lambda rate, seed: train(checkpoint, task, seed, rate, asked, before), chosen.grid, seeds=(101,),
                    limit=500)  # fmt: skip

    scored: dict[tuple[str, str, ModelSpec, bool], list[Evaluate]] = defaultdict(list)
    for checkpoint, seed, task in product((model,) if model else chosen.models, seeds or chosen.seeds, chosen.targets):
        is_asked = task in chosen.asked and checkpoint.family is ModelFamily.DECODER
        for asked, before in product((False, True) if is_asked else (False,), (None, *chosen.before)):
            if not asked or before is None or before in chosen.asked:
                rate = rate_of(checkpoint, task, asked, before is not None)
                trained = train(checkpoint, task, seed, rate, asked, before)
                key = task.name, before.name if before else "none", checkpoint, asked
                scored[key] += evaluations(trained, task, limit=chosen.test_rows)

    def gain(task: str, before: str, checkpoint: ModelSpec, asked: bool, sign: int) -> tuple[Term, ...]:
        return (Term(sign, tuple(scored[task, before, checkpoint, asked])),
                Term(-sign, tuple(scored[task, "none", checkpoint, asked])))  # fmt: skip

    contrasts = [
        Contrast(f"{task}: the gain of {before} at {large.name} rather than at {little.name}",
                 (*gain(task, before, large, False, 1), *gain(task, before, little, False, -1)))
        for task, before, pairs in chosen.contrasts for little, large in pairs if (task, before, large, False) in scored
    ]  # fmt: skip
    task, before = chosen.read_both_ways
    decoders = dict.fromkeys(key[2] for key in scored if key[3])
    contrasts += [
        Contrast(f"{task}: the gain of {before} with a prompt rather than with a head, at {each.name}",
                 (*gain(task, before, each, True, 1), *gain(task, before, each, False, -1))) for each in decoders
    ]  # fmt: skip
    contrasts += [
        Contrast(f"{task}: {before} rather than nothing, {way}, at {each.name}", gain(task, before, each, asked, 1))
        for each in decoders for asked, way in ((False, "with a head"), (True, "with a prompt"))
    ]  # fmt: skip
    return Recipe(
        f"scale-1b-7b-{size}", tuple(each for same in scored.values() for each in same), smoke=size == "small",
        title="English intermediate training from 1B to 8B parameters", suites=chosen.suites, notes=(f"Size: {size}.",),
        question="How do the gains of English intermediate training on other languages change as parameters grow from "
        "1B to 7B?", contrasts=tuple(contrasts),
    )  # fmt: skip
