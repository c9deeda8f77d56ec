"""How do the gains of English intermediate training on other languages change as parameters grow from 1B to 7B?

    adaptx plan recipes/scale_1b_7b.py                           # full size: cost on each GPU type
    adaptx run recipes/scale_1b_7b.py --size medium --data DIR --model DIR-OF-SMOLLM2 --workers 2
    adaptx report recipes/scale_1b_7b.py --size medium --data DIR --model DIR-OF-SMOLLM2 --out scale-report

Hypotheses. H1: within a family, the gain over the matched baseline shrinks as the number of parameters grows, and
saturates. H2: question answering and multiple choice keep more of their gain than tagging and NLI. H3: languages with
little pretraining text keep gaining up to larger sizes than others do. H4: a decoder gains more if it reads a prompt
and ranks the answers, as in its pretraining, than if a new head reads its hidden states.

Factors: model (Llama 3, Qwen3 and SmolLM2 at several sizes, and the encoder XLM-R XL), intermediate task (none, NLI,
question answering, multiple choice), target, how a decoder reads NLI and questions (head or prompt), seed. All models
train LoRA at every linear map, with the best of several learning rates on development rows. No training row is in an
intermediate task and in a target. Sizes of Llama 3 and of SmolLM2 also differ in how much text they were pretrained on.

Full size: Llama 3 (1B, 3B, 8B), Qwen3 (0.6B, 1.7B, 4B, 8B), SmolLM2 (135M, 360M, 1.7B; English) and XLM-R XL (3.5B);
five targets of XTREME-R; equally many rows of each intermediate task; five seeds. Medium size: SmolLM2-135M; SNLI
before 400 rows of MNLI, with a head and with a prompt; five seeds. It answers H4 for one small decoder, and no question
about sizes. Small size: the medium size with few rows, to test that it runs.
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
        before = next(iter(chosen.before)) if is_continued else None
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

    def gain(pair: tuple[str, str], each: ModelSpec, asked=False, sign=1, languages=None) -> tuple[Term, ...]:
        return tuple(Term(weight, tuple(scored[pair[0], name, each, asked]), languages)
                     for weight, name in ((sign, pair[1]), (-sign, "none")))  # fmt: skip

    def growth(pair: tuple[str, str], sizes: tuple[ModelSpec, ModelSpec], sign=1, languages=None) -> tuple[Term, ...]:
        return gain(pair, sizes[1], False, sign, languages) + gain(pair, sizes[0], False, -sign, languages)

    contrasts: dict[str, tuple[Term, ...]] = {}
    for sizes in () if model else chosen.sizes:
        at, (one, other) = f"at {sizes[1].name} rather than at {sizes[0].name}", chosen.pairs
        contrasts |= {f"{pair[0]}: the gain of {pair[1]} {at}": growth(pair, sizes) for pair in chosen.pairs}
        contrasts[f"{one[0]} rather than {other[0]}: the gain {at}"] = growth(one, sizes) + growth(other, sizes, -1)
        low, high = (growth(one, sizes, sign, chosen.resources[sign]) for sign in (1, -1))
        contrasts[f"{one[0]}: the gain in low- rather than high-resource languages, {at}"] = low + high
    for pair, each in product(chosen.pairs, (model,) if model else chosen.decoders):
        if (*pair, each, True) in scored:
            name = f"{pair[0]}: the gain of {pair[1]} with a prompt rather than with a head, at {each.name}"
            contrasts[name] = gain(pair, each, True) + gain(pair, each, False, -1)
            for asked, way in ((False, "head"), (True, "prompt")):
                name = f"{pair[0]}: {pair[1]} rather than nothing, with a {way}, at {each.name}"
                contrasts[name] = gain(pair, each, asked)
    return Recipe(
        f"scale-1b-7b-{size}", tuple(each for same in scored.values() for each in same), smoke=size == "small",
        title="English intermediate training from 1B to 8B parameters", suites=chosen.suites, notes=(f"Size: {size}.",),
        question="How do the gains of English intermediate training on other languages change as parameters grow from "
        "1B to 7B?", contrasts=tuple(Contrast(name, terms) for name, terms in contrasts.items()),
    )  # fmt: skip
