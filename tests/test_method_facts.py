"""Every method says all that is asked of it, and has a record of what it does to tensors."""

import re
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

import adaptx
from adaptx.catalog import METHODS
from adaptx.composition import fuse
from adaptx.errors import UserError
from adaptx.methods import _BEHAVIOURS, behaviour
from adaptx.specs import Lora, Shape, methods
from adaptx.specs.kinds import kind_of
from adaptx.specs.methods import Method
from adaptx.specs.plain import from_plain, to_plain

SHAPE = Shape("bert", 2, 32, 64, 4, 100, 128)
each_method = pytest.mark.parametrize("method", [pytest.param(kind(), id=kind.name()) for kind in methods.METHODS])
PACKAGE = Path(adaptx.__file__).parent
ASKS_THE_CLASS = {
    "composition/merging/modules.py",  # updates that are products
    "methods/lora_peft.py",
    "methods/published.py",  # what peft leaves out is filled up
    "specs/methods/full.py",
    "specs/methods/lora.py",
}


def test_every_method_is_listed_once_where_methods_are_listed() -> None:
    known = [each for each in Method.__subclasses__() if each.__module__.startswith("adaptx.")]
    assert sorted(known, key=repr) == sorted(methods.METHODS, key=repr)
    assert list(METHODS.values()) == [kind() for kind in methods.METHODS]
    assert set(_BEHAVIOURS) == set(methods.METHODS)
    assert {kind.__name__ for kind in methods.METHODS} <= set(adaptx.specs.__all__)


@each_method
def test_a_method_says_everything(method: Method) -> None:
    for fact in (method.whole, method.over_quantised):
        assert isinstance(fact, bool)
    assert method.modules
    assert method.library in (None, "peft", "adapters")
    for refusal in (method.fold_refusal, method.stack_refusal, method.fuse_refusal):
        assert refusal is None or len(refusal.split()) > 5
    assert method.label.startswith(method.name())
    assert type(method.of_size(4, 8.0)) is type(method)
    assert method.parameters(SHAPE) > 0
    assert method.continues(method)
    assert not any(method.continues(other) for other in METHODS.values() if other != method)
    assert all(value >= 0 for sizes in method.step_sizes(SHAPE) for value in sizes.values())
    assert from_plain(to_plain(method)) == method
    with pytest.raises(FrozenInstanceError):
        method.label = "another"  # pyright: ignore[reportAttributeAccessIssue]


@each_method
def test_what_a_method_says_agrees_with_what_it_does(method: Method) -> None:
    does = behaviour(method)
    assert (does.fold is not None) == (method.fold_refusal is None)
    assert (does.to_peft is not None) == (method.library == "peft")
    assert (type(method) in fuse._FUSE) == (method.fuse_refusal is None)
    assert not method.whole or (method.fuse_refusal and method.stack_refusal)


def test_a_method_that_leaves_a_fact_out_cannot_be_defined_or_made() -> None:
    with pytest.raises(TypeError, match=r"Silent does not say: .*whole.*fold_refusal"):
        type("Silent", (Method,), {"modules": "silent modules"})
    facts = {name: getattr(Lora, name) for name in Method.__annotations__}
    half = type("Half", (Method,), {**facts, "label": "half"})
    with pytest.raises(TypeError, match="abstract"):
        half()


def test_what_a_method_field_takes_is_named() -> None:
    names = [f"{'an' if kind.__name__[0] in 'AEIOU' else 'a'} {kind.__name__}" for kind in methods.METHODS]
    assert all(name in kind_of(Method).meant for name in names)
    assert kind_of(Method).read(Lora()) == Lora()
    with pytest.raises(UserError, match=r"takes a Bottleneck, a Full.*write method=Lora\(\.\.\.\)"):
        adaptx.specs.Published("a/module", adaptx.specs.ModelSpec("a/model"), "lora")  # pyright: ignore


def test_nothing_asks_for_the_class_of_a_method() -> None:
    names = "|".join(kind.__name__ for kind in methods.METHODS)
    asks = re.compile(rf"isinstance\([^()]*(?:\([^()]*\))?[^()]*\b({names})\b|case ({names})\(")
    found = {path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py") if asks.search(path.read_text())}
    assert found == ASKS_THE_CLASS
