"""mT5 small to large: do multilingual intermediate tasks transfer better than English ones, less so in larger models?

    adaptx plan recipes/mt5_multilingual.py                          # full size: cost on each GPU type
    adaptx run recipes/mt5_multilingual.py --size medium --data DIR --workers 2
    adaptx report recipes/mt5_multilingual.py --size medium --data DIR --out mt5-multilingual-report

Hypotheses. H1: at equal numbers of examples, intermediate rows in many languages give a larger zero-shot gain than
English rows. H2: this advantage is largest in the language families of those rows, and smallest in English. H3: the
advantage shrinks as the model grows.

Factors: language of the intermediate rows (English, or many languages with equally many rows, all of them different),
task (paraphrase, question answering), model size, target (trained on English), seed. Contrasts are over the languages
in which no compared model was trained. Learning rates are searched alike with and without an intermediate task.

Full size: mT5 small, base and large, five seeds, with full fine-tuning at a constant rate and dropout 0.1, as mT5's
authors did. They used AdaFactor at 1e-3 and batches of 2^17 tokens; here AdamW trains on 32 rows, at rates up to 3e-4,
the highest that the documentation of transformers advises. Intermediate tasks: paraphrases (PAWS-X, machine-translated
except for English), question answering (TyDiQA). Targets: XNLI, XQuAD, part-of-speech tags. The report shows mT5's
published zero-shot scores on XNLI and TyDiQA; those models answer as text, ours through hidden states. Medium size:
e5-mini in mT5's place, five seeds; SNLI and IndoNLI against SNLI and other rows of MNLI, which mixes two sources as
well, and against each alone, before 2,000 rows of MNLI. It says nothing about mT5. Small size: the medium size with few
rows, to test that it runs.
"""

from collections import defaultdict
from itertools import product
from typing import Literal

from adaptx import Contrast, Evaluate, ModelSpec, Recipe, Term, evaluations
from adaptx.catalog import TYDIQA
from sizes.mt5_multilingual import SIZES
from sizes.trainings import searched_trainings


def build(
    size: Literal["full", "medium", "small"] = "full", model: ModelSpec | None = None,
    seeds: tuple[int, ...] | None = None,
) -> Recipe:  # fmt: skip
    """Return a recipe with each target alone, and after each intermediate task in English or in many languages."""
    chosen, models = SIZES[size], (model,) if model else SIZES[size].models
    intermediate, target = searched_trainings(chosen)
    scored: dict[tuple[str, str, ModelSpec], list[Evaluate]] = defaultdict(list)
    for checkpoint, seed in product(models, seeds or chosen.seeds):
        before = {task.name: intermediate(checkpoint, task, seed) for task in chosen.before}
        for task, (name, trained) in product(chosen.targets, {"none": None, **before}.items()):
            measured = target(checkpoint, task, seed, trained)
            scored[task.name, name, checkpoint] += evaluations(measured, task, limit=chosen.test_rows)
        # A model that is trained only on TyDiQA's English rows has a published score to compare with.
        if TYDIQA in chosen.before:
            scored["tydiqa", "none", checkpoint] += evaluations(before["tydiqa"], TYDIQA, limit=chosen.test_rows)

    def advantage(names: tuple[str, str, str], at: tuple[ModelSpec, ...], sign=1, languages=None) -> tuple[Term, ...]:
        task, one, other = names
        return tuple(Term(weight, tuple(same for each in at for same in scored[task, name, each]), languages)
                     for weight, name in ((sign, one), (-sign, other)))  # fmt: skip

    contrasts = {name: advantage(each, models) for name, each in chosen.contrasts.items()}
    first = next(iter(chosen.contrasts.values()))
    for name, (these, those) in chosen.languages.items():
        contrasts[name] = advantage(first, models, 1, these) + advantage(first, models, -1, those)
    for name, each in chosen.contrasts.items() if len(models) > 1 else ():
        larger = advantage(each, models[-1:]) + advantage(each, models[:1], -1)
        contrasts[f"{name}, at {models[-1].name} rather than at {models[0].name}"] = larger
    return Recipe(
        f"mt5-multilingual-{size}", tuple(each for same in scored.values() for each in same), smoke=size == "small",
        title="Multilingual against English-only intermediate tasks, at several sizes",
        question="Do multilingual intermediate tasks transfer better than English ones, and less so in larger models?",
        notes=(f"Size: {size}.", chosen.note), published=chosen.published,
        contrasts=tuple(Contrast(name, terms) for name, terms in contrasts.items()),
    )  # fmt: skip
