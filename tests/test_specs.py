"""Specs check their values: another type, a number beyond its range, a field that is not there."""

import dataclasses
import importlib
import pkgutil
from dataclasses import replace
from typing import Any, get_type_hints

import numpy as np
import pytest
from support.spec_samples import samples, wrong_values

import adaptx.catalog
import adaptx.specs
from adaptx.catalog import E5_MINI, NLI, SNLI
from adaptx.errors import UserError
from adaptx.specs import (
    Best,
    Classification,
    Evaluate,
    Fuse,
    Hidden,
    Linear,
    Lora,
    Merge,
    Mixture,
    NoHead,
    Prompt,
    Recipe,
    Rows,
    Schedule,
    Sequential,
    Stack,
    Tagging,
    Task,
    TaskArithmetic,
    Term,
    Train,
    TrainConfig,
    Weighted,
)
from adaptx.specs.checked import is_spec

CONFIG = TrainConfig(1e-3, epochs=1)
TRAIN = Train(E5_MINI, SNLI, Lora(), CONFIG)
ABOUT_SPECS = {
    *("Kind", "Within", "NotEmpty", "Known", "Sites", "Method", "MergeRule"),
    *("Architecture", "Configuration", "LayerStack", "InsideNorm", "AfterLayer"),
    *("HeadPlace", "LibraryHeads", "MaskedHead"),
}
"""Dataclasses that describe fields of specs, architectures or what specs share, and are none themselves."""


def dataclasses_of(package) -> dict[str, type]:
    """Public dataclasses that the modules of a package define."""
    modules = [
        importlib.import_module(found.name) for found in pkgutil.walk_packages(package.__path__, package.__name__ + ".")
    ]
    return {
        name: value
        for module in modules
        for name, value in vars(module).items()
        if isinstance(value, type) and dataclasses.is_dataclass(value) and value.__module__ == module.__name__
        if not name.startswith("_")
    }


def test_every_dataclass_of_the_specs_checks_its_values() -> None:
    found = dataclasses_of(adaptx.specs)
    assert len(found) > 60
    assert {name for name, cls in found.items() if not is_spec(cls)} == ABOUT_SPECS
    assert {cls.__name__ for cls in samples()} == set(found) - ABOUT_SPECS, "every spec has a sample"


def test_every_value_of_another_type_is_refused_with_class_and_field() -> None:
    count = 0
    for sample, name, value in wrong_values():
        with pytest.raises(UserError) as caught:
            replace(sample, **{name: value})
        message = str(caught.value)
        assert message.startswith(f"{type(sample).__name__}({name}="), message
        assert f": {name}" in message, message
        assert len(message) < 600, message
        count += 1
    assert count > 1_000


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: replace(CONFIG, selection="best"), r"TrainConfig\(selection='best'\): .*write selection=Best\("),
        (lambda: replace(CONFIG, schedule="linear"), r"schedule=Schedule\.LINEAR"),
        (lambda: replace(CONFIG, schedule="consine"), r"schedule=Schedule\.COSINE$"),
        (lambda: replace(CONFIG, precision=16), r"TrainConfig\(precision=16\): .*write precision='fp32' or"),
        (lambda: replace(CONFIG, precision="fp16"), r"precision='fp16'.*65,504.*use bf16"),
        (lambda: replace(CONFIG, epochs="3"), r"TrainConfig\(epochs='3'\): .*write epochs=3.0, without quotes"),
        (lambda: replace(CONFIG, seed=True), r"TrainConfig\(seed=True\): .*write seed=1"),
        (lambda: Lora(rank=1.5), r"Lora\(rank=1\.5\): .*write rank=1 or rank=2"),
        (lambda: Lora(bias="yes"), r"Lora\(bias='yes'\): bias takes True or False"),
        (lambda: Lora(alpha=0), r"Lora\(alpha=0\): alpha must be above 0"),
        (lambda: Lora(sites="query"), r"Lora\(sites='query'\): .*write sites=\('query',\)"),
        (lambda: Lora(sites=None), r"Lora\(sites=None\): sites takes a tuple of strings"),
        (lambda: Lora(ranks=(("query", 0),)), r"ranks\[0\]\[1\] must be at least 1"),
        (lambda: Lora(rnk=4), r"Lora has no field 'rnk'; near: rank.*it takes: rank, alpha"),
        (lambda: Lora(4, rank=4), r"Lora\(rank=\.\.\.\) is given twice"),
        (lambda: Train(E5_MINI, SNLI), r"Train\(\.\.\.\) needs method, config"),
        (lambda: Train(E5_MINI, SNLI, Lora, CONFIG), r"Train\(method=Lora\): .*itself; write method=Lora\("),
        (lambda: Train(E5_MINI, SNLI, Lora(), CONFIG, limit=7.5), r"Train\(limit=7\.5\): .*limit=7 or limit=8"),
        (lambda: Train(None, SNLI, Lora(), CONFIG), r"Train\(model=None\): model takes a ModelSpec, not None"),
        (lambda: Train("e5", SNLI, Lora(), CONFIG), r"Train\(model='e5'\): .*write model=ModelSpec\("),
        (lambda: Fuse((TRAIN, TRAIN)), r"Fuse\(stages=.*\[0\] and stages\[1\] are the same, the training on snli"),
        (lambda: Fuse((TRAIN,)), r"Fuse\(stages=.*at least two"),
        (lambda: Fuse(()), r"Fuse\(stages=\(\)\).*at least two"),
        (lambda: Stack(TRAIN), r"Stack\(stages=Train\(\.\.\.\)\): .*write stages=\(Train\(\.\.\.\),\)"),
        (lambda: Stack((TRAIN, TRAIN)), r"Stack.*are the same"),
        (lambda: Sequential(E5_MINI), r"Sequential\(stage=ModelSpec\(\.\.\.\)\): stage takes a Train or a Published"),
        (lambda: Recipe("r", (TRAIN,)), r"Recipe\(evaluations=.*\[0\] takes an Evaluate, not a Train: .*Evaluate\("),
        (lambda: Recipe("r", Evaluate(E5_MINI, NLI, "en")), r"Recipe\(evaluations=Evaluate\(.*evaluations=\(Evaluate"),
        (lambda: Recipe("r", ()), "has no evaluations"),
        (lambda: Evaluate(TRAIN, Mixture((SNLI, NLI)), "en"), r"Evaluate\(task=Mixture.*one Evaluate for each"),
        (lambda: Classification(()), r"Classification\(labels=\(\)\).*at least two distinct"),
        (lambda: Classification(("a", "b", "a")), r"'a' is given twice"),
        (lambda: Classification(("a", " ")), r"labels\[1\] must not be empty"),
        (lambda: Tagging("BIO"), r"Tagging\(labels='BIO'\): .*labels=\('BIO',\)"),
        (lambda: Weighted(()), r"Weighted\(weights=\(\)\): weights must not be empty"),
        (lambda: replace(CONFIG, betas=(0.9,)), r"TrainConfig\(betas=\(0\.9,\)\): .*2 values, not 1"),
        (lambda: replace(CONFIG, betas=(0.9, 1.0)), r"betas\[1\] must be at least 0 and below 1"),
        (lambda: replace(CONFIG, epsilon=0), r"TrainConfig\(epsilon=0\): epsilon must be above 0"),
        (lambda: replace(CONFIG, seed=2**40), r"seed must be at least 0 and at most 4294967295"),
        (lambda: Task("t", NLI.format, metrics=()), r"Task\(metrics=\(\)\): metrics must not be empty"),
        (lambda: Rows("a/b", "c", "d", "en", {"text": "t"}), r"Rows\(columns=\{'text': 't'\}\): .*items\(\)"),
        (lambda: Merge((TRAIN,), "linear", NoHead()), r"Merge\(rule='linear'\): .*write rule=Linear\("),
    ],
)  # fmt: skip
def test_what_is_refused_says_what_to_write(make, said: str) -> None:
    with pytest.raises(UserError, match=said):
        make()


def test_what_means_the_same_becomes_the_same_value() -> None:
    assert Lora(np.int64(4), np.float64(8), sites=["query"]) == Lora(4, 8.0, sites=("query",))
    assert type(Lora(np.int64(4)).rank) is int
    assert type(Lora(alpha=np.float32(8)).alpha) is float
    assert Lora(rank=4.0) == Lora(rank=4)
    assert type(Lora(rank=4.0).rank) is int
    assert Lora(bias=np.True_).bias is True
    assert Linear([1, 2.0]) == Linear((1.0, 2.0))
    nested = Rows("a/b", "c", "d", "en", [["text", "t"], ["choices", ["x", "y"]]])
    assert nested.columns == (("text", "t"), ("choices", ("x", "y")))
    assert hash(nested) == hash(replace(nested))
    assert TrainConfig(1e-3, max_steps=1e4).max_steps == 10_000


def as_lists(value: Any) -> Any:
    return [as_lists(item) for item in value] if isinstance(value, tuple) else value


def test_a_list_is_taken_wherever_a_tuple_is_meant_and_becomes_one() -> None:
    fields = [
        (sample, field.name, getattr(sample, field.name))
        for sample in samples().values()
        for field in dataclasses.fields(sample)
        if isinstance(getattr(sample, field.name), tuple)
    ]
    assert len(fields) >= 30
    for sample, name, value in fields:
        made = replace(sample, **{name: as_lists(value)})
        assert made == sample, (type(sample), name)
        assert hash(made) == hash(sample), (type(sample), name)
        assert type(getattr(made, name)) is tuple, (type(sample), name)
    # Fields that take a tuple among other things.
    mixture = Train(E5_MINI, Mixture((SNLI, NLI)), Lora(), CONFIG)
    others = [
        (mixture, "framing", (Hidden(), Hidden(1))),
        (Linear((1.0, 2.0)), "weights", (3.0, 4.0)),
        (TaskArithmetic(), "weights", (1.0, 2.0)),
        (NLI.evaluation[0], "starts_with", ("label", "x")),
        (Term(1.0, (Evaluate(TRAIN, NLI, "id"),)), "languages", ("id",)),
    ]
    for sample, name, value in others:
        assert replace(sample, **{name: list(value)}) == replace(sample, **{name: value}), (type(sample), name)
        assert getattr(replace(sample, **{name: list(value)}), name) == value
    taking = {
        (cls, field.name)
        for cls in samples()
        for field in dataclasses.fields(cls)
        if "tuple" in str(get_type_hints(cls)[field.name])
    }
    assert taking == {(type(sample), name) for sample, name, _ in (*fields, *others)}
    # What has no order cannot stand for a tuple.
    with pytest.raises(UserError, match=r"Lora\(sites=\{'query'\}\): .*write a tuple, which has a fixed order"):
        Lora(sites={"query"})  # pyright: ignore[reportArgumentType]


def test_what_is_right_stays_as_it_is() -> None:
    sites = ("query", "up")
    assert Lora(sites=sites).sites == sites
    assert Hidden(layer=None).layer is None
    assert replace(CONFIG, selection=Best(3), schedule=Schedule.COSINE).selection == Best(3)


def test_columns_that_were_checked_once_are_the_same_value_and_wrong_ones_are_refused_again() -> None:
    """Checked tuples of texts are remembered by value; equal values of other types must not pass for them."""

    class Name(str):
        """A text of another class, equal to the plain one."""

    def made(columns: Any) -> Rows:
        return Rows("owner/set", "en", "test", "en", columns)

    first = made((("text", "premise"), ("label", "label")))
    assert made([["text", "premise"], ("label", "label")]).columns == first.columns
    assert all(type(name) is str for pair in made(((Name("text"), Name("premise")),)).columns for name in pair)
    for _ in range(2):
        with pytest.raises(UserError, match="columns"):
            made((("text", 1),))
    numbers = Prompt("{text}", answers=(("0", "no"), ("1", "yes")))
    for _ in range(2):
        with pytest.raises(UserError, match="answers"):
            Prompt("{text}", answers=((0, "no"), (1, "yes")))  # pyright: ignore[reportArgumentType]
    assert numbers.words("1") == "yes"
