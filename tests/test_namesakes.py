"""Models, tasks and published modules of one name: refused when planning, and never averaged as seeds."""

import dataclasses

import pytest
from support import tiny

from adaptx.planning.namesakes import namesake_reasons
from adaptx.report.results.variants import variant_labels
from adaptx.specs import Classification, Evaluate, Lora, ModelSpec, Published, Sequential, Train

A, B = ModelSpec("/runs/a/checkpoint-500"), ModelSpec("/runs/b/checkpoint-500")
LORA = Lora(4, 8)
MODULE = Published("/runs/a/module", A, LORA)


def trained(model: ModelSpec, task=tiny.NLI, **more) -> Train:
    return tiny.train(model, task, LORA, **more)


def measured(*models: ModelSpec | Train, task=tiny.NLI) -> tuple[Evaluate, ...]:
    return tuple(Evaluate(model, task, "xa") for model in models)


def over(*modules: Published) -> tuple[Train, ...]:
    return tuple(trained(A, start=Sequential(module)) for module in modules)


OTHER_ROWS = dataclasses.replace(tiny.NLI, evaluation=tiny.NLI_FEW.train[:1])
OTHER_LABELS = dataclasses.replace(tiny.NLI, format=Classification(("yes", "no")))
FEWER_TRAINED = dataclasses.replace(tiny.NLI, train=tiny.NLI_FEW.train)


@pytest.mark.parametrize(
    ("stages", "said"),
    [
        (measured(A, B), "two models are called checkpoint-500: /runs/a/checkpoint-500 and /runs/b/checkpoint-500"),
        ((trained(A), *measured(B)), "two models are called checkpoint-500"),
        (measured(A, dataclasses.replace(A, revision="b1")), "and /runs/a/checkpoint-500 at revision b1"),
        ((*measured(A), *measured(A, task=OTHER_ROWS)), "two tasks are called nli and differ in their evaluation rows"),
        ((*measured(A), *measured(A, task=OTHER_LABELS)), "two tasks are called nli and differ in format"),
        (over(MODULE, dataclasses.replace(MODULE, source="/runs/b/module")), "two published modules are called module"),
    ],
)
def test_two_of_one_name_are_refused(stages, said: str) -> None:
    (reason,) = namesake_reasons(stages)
    assert said in reason
    assert "would confuse the two" in reason


@pytest.mark.parametrize(
    "stages",
    [
        measured(A, A.cut(1), dataclasses.replace(A, licence="MIT")),
        (*measured(A), *measured(trained(A, FEWER_TRAINED), task=tiny.NLI)),
        (*measured(A), *measured(A, task=tiny.NLI_TURNED)),
        over(MODULE, dataclasses.replace(MODULE, licence="MIT")),
    ],
)
def test_what_names_or_places_tell_apart_is_not(stages) -> None:
    assert list(namesake_reasons(stages)) == []


def test_two_models_of_one_seed_are_no_seeds_of_one_variant() -> None:
    # The intermediate tasks share a name and differ in their rows.
    first, second = (trained(A, start=Sequential(trained(A, task))) for task in (tiny.NLI, FEWER_TRAINED))
    evaluates = measured(first, second)
    labels = variant_labels(evaluates, dict(zip(evaluates, ("11111111aa", "22222222bb"), strict=True)))
    assert list(labels.values()) == [f"lora-r4 · Sequential · nli · {key}" for key in ("11111111", "22222222")]


def test_seeds_are_seeds_of_one_variant() -> None:
    models = [trained(A, setting=tiny.config(seed=seed)) for seed in (1, 2)]
    evaluates = measured(*models)
    labels = variant_labels(evaluates, dict(zip(evaluates, ("11111111", "22222222"), strict=True)))
    assert set(labels.values()) == {"lora-r4 · baseline"}
