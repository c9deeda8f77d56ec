"""Canonical JSON and its fingerprint: one stable form for equal values, none for what has no such form."""

import dataclasses
import json
import math
import os
import pathlib
import subprocess
import sys
import typing

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.mutations import mutations

from adaptx.catalog import (
    BUCC,
    E5_MINI,
    HELLASWAG,
    LAREQA,
    NTREX_SPANS,
    PANX,
    SIB200,
    SNLI,
    SQUAD_V2,
    TATOEBA,
    WIKIPEDIA_MLM,
)
from adaptx.catalog import NLI as EVERYWHERE
from adaptx.errors import UserError
from adaptx.specs import (
    Best,
    Bottleneck,
    Evaluate,
    Full,
    Fuse,
    Gate,
    Hidden,
    KeptHead,
    Lora,
    Mixture,
    Pooling,
    Proportional,
    Rows,
    Schedule,
    Sequential,
    Stack,
    TaskFormat,
    Temperature,
    Train,
    TrainConfig,
    Uniform,
    Weighted,
)
from adaptx.specs.fingerprint import canonical, fingerprint, is_outside_identity
from adaptx.specs.plain import from_plain, to_plain


def short(task):
    """With two sets of each kind: more of them show nothing more."""
    kinds = ("train", "development", "evaluation", "pool")
    return dataclasses.replace(task, **{kind: getattr(task, kind)[:2] for kind in kinds})


NLI, SIB, TAGS = short(EVERYWHERE), short(SIB200), short(PANX)
EPOCHS = TrainConfig(learning_rate=1e-3, epochs=2, head_learning_rate=1e-2, dropout=0.1)
STEPS = TrainConfig(learning_rate=1e-3, max_steps=20, selection=Best(every=5, patience=2), schedule=Schedule.COSINE)
LORA = Train(
    E5_MINI, SNLI, Lora(sites=("up", "down")), EPOCHS, framing=Hidden(2, Pooling.FIRST, prefix="query: "), limit=30
)
ADAPTER = Train(E5_MINI, SNLI, Bottleneck(), STEPS)
SPECS = (
    Train(E5_MINI, NLI, Lora(), STEPS, Sequential(LORA), head=KeptHead()),
    Train(E5_MINI, NLI, Bottleneck(), EPOCHS, Stack((ADAPTER,))),
    Train(E5_MINI, NLI, Bottleneck(), EPOCHS, Fuse((ADAPTER, dataclasses.replace(ADAPTER, limit=9)))),
    Train(E5_MINI, NLI, Bottleneck(), EPOCHS, Fuse((ADAPTER, dataclasses.replace(ADAPTER, limit=9)), Gate(width=8))),
    Evaluate(Train(E5_MINI, NLI, Full(), EPOCHS, keep=True), NLI, "id", limit=5),
    Evaluate(E5_MINI, short(TATOEBA), "es", framing=Hidden(centred=True)),
    Evaluate(E5_MINI, short(BUCC), "de"),
    Evaluate(Train(E5_MINI, short(LAREQA), Lora(), EPOCHS), short(LAREQA), "ar"),
    Train(E5_MINI, Mixture((NLI, SIB, TAGS), Weighted((1.0, 2.0, 0.5)), label="three"), Lora(), EPOCHS),
    Train(E5_MINI, Mixture((short(SQUAD_V2), short(HELLASWAG)), Temperature(2.0)), Lora(), EPOCHS),
    Train(E5_MINI, Mixture((short(WIKIPEDIA_MLM), NLI), Proportional(most=1000), shared_heads=True), Full(), EPOCHS),
    Train(E5_MINI, Mixture((NLI, SIB), Uniform()), Full(), EPOCHS),
    Train(E5_MINI, short(NTREX_SPANS), Full(), EPOCHS),
)


def name_of(spec) -> str:
    if isinstance(spec, Evaluate):
        return f"{spec.task.name}-of-{type(spec.model).__name__}"
    return f"{type(spec.start).__name__}-{spec.task.name}"


@pytest.mark.parametrize("spec", SPECS, ids=name_of)
def test_every_identity_field_and_no_other_changes_the_canonical_form(spec) -> None:
    before = canonical(spec)
    for mutation in mutations(spec):
        assert (canonical(mutation.value) == before) is mutation.outside, mutation.path
        assert (fingerprint(canonical(mutation.value)) == fingerprint(before)) is mutation.outside, mutation.path


def test_no_field_escapes_the_property() -> None:
    """Every field of every spec that a stage holds was changed above."""
    tried = {mutation.owner for spec in SPECS for mutation in mutations(spec)}
    classes = {cls for cls, _ in tried}
    fields = {(cls, field.name) for cls in classes for field in dataclasses.fields(cls)}
    # These only ever hold specs, whose own fields were changed.
    held = {(Train, "model"), (Train, "task"), (Train, "config"), (Evaluate, "model"), (Evaluate, "task")}
    # More tasks would need more names; that more or fewer are another mixture is tested with identities.
    held |= {(Mixture, "tasks")}
    # These bear on a result only together with a row limit: tests/test_identity.py.
    held |= {(Train, "limit_seed"), (Rows, "parallel_group")}
    assert fields - tried - held == set()
    names = {cls.__name__ for cls in classes}
    assert names >= {"Train", "Evaluate", "TrainConfig", "Best", "Lora", "Bottleneck", "Rows", "Task", "Classification"}
    assert names >= {"ModelSpec", "Hidden", "Shape", "SeenData", "Stack", "Fuse", "Attention", "Gate"}
    assert names >= {"Mixture", "Proportional", "Temperature", "Weighted"}
    formats = {cls for cls in typing.get_args(TaskFormat) if dataclasses.fields(cls)}
    assert formats <= classes


def test_ranks_and_alphas_of_sites_that_are_as_usual_are_no_other_method() -> None:
    again = Lora(ranks=(("value", 8),), alphas=(("value", 16), ("query", 16.0)))
    assert again == Lora()
    assert canonical(Lora(ranks=(("value", 4), ("query", 2)))) == {
        **{"type": "Lora", "rank": 8, "alpha": 16, "dropout": 0, "sites": ["query", "value"], "bias": False},
        **{"ranks": [["query", 2], ["value", 4]], "alphas": []},
    }
    methods = (Lora(), Lora(bias=True), Lora(ranks=(("value", 4),)), Lora(alphas=(("value", 4),)))
    assert len({fingerprint(canonical(method)) for method in methods}) == 4
    for method in methods:
        assert from_plain(json.loads(json.dumps(to_plain(method)))) == method


def test_labels_and_the_like_are_outside() -> None:
    outside = {
        f"{cls.__name__}.{name}"
        for spec in SPECS
        for cls, name in (mutation.owner for mutation in mutations(spec))
        for field in dataclasses.fields(cls)
        if field.name == name and is_outside_identity(field)
    }
    assert outside == {
        "ModelSpec.hub_id", "ModelSpec.framing", "ModelSpec.embedding", "ModelSpec.revision", "ModelSpec.shape",
        "ModelSpec.licence", "ModelSpec.citation", "ModelSpec.seen", "Rows.hub_id", "Rows.config", "Rows.split",
        "Rows.revision", "Rows.expected", "Task.name", "Task.kind", "Task.licence",
        "Task.citation", "Task.description", "Task.translated", "Mixture.label", "Train.keep",
    }  # fmt: skip


@pytest.mark.parametrize("spec", SPECS, ids=name_of)
def test_specs_survive_plain_json(spec) -> None:
    for value in (spec, *(mutation.value for mutation in [*mutations(spec)][::5])):
        again = from_plain(json.loads(json.dumps(to_plain(value))))
        assert again == value
        assert hash(again) == hash(value)


def test_a_spec_of_another_version_is_refused_by_name() -> None:
    plain = to_plain(LORA)
    with pytest.raises(UserError, match="contains a Dora, which this version of adaptx does not know"):
        from_plain({**plain, "method": {"type": "Dora"}})
    with pytest.raises(
        UserError, match=r"stored Train has fields that this version of adaptx does not know: \['luck'\]"
    ):
        from_plain({**plain, "luck": 1})
    del plain["limit"]
    with pytest.raises(UserError, match=r"stored Train lacks fields that this version of adaptx has: \['limit'\]"):
        from_plain(plain)


SCRIPT = """
import json, sys
from test_fingerprint import SPECS
from adaptx.specs.fingerprint import canonical, fingerprint
print(json.dumps([fingerprint(canonical(spec)) for spec in SPECS]))
"""


def test_two_processes_with_two_hash_seeds_agree() -> None:
    here = [fingerprint(canonical(spec)) for spec in SPECS]
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(pathlib.Path(__file__).parent)}
        ended = subprocess.run(
            [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, env=environment
        )
        assert json.loads(ended.stdout) == here


leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
jsons = st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=12)


@given(jsons)
def test_canonical_is_stable_and_json(value) -> None:
    once = canonical(value)
    assert canonical(once) == once
    assert canonical(json.loads(json.dumps(once))) == once
    assert len(fingerprint(once)) == 64


@given(st.dictionaries(st.text(), leaves, min_size=2))
def test_the_order_of_keys_does_not_matter(value) -> None:
    assert fingerprint(value) == fingerprint(dict(reversed(value.items())))


@given(st.integers(-(2**53), 2**53))
def test_a_whole_float_is_its_integer(number: int) -> None:
    assert fingerprint({"alpha": number}) == fingerprint({"alpha": float(number)})


@given(leaves, leaves)
def test_different_values_differ(first, second) -> None:
    same = first == second and isinstance(first, bool) == isinstance(second, bool)
    assert (fingerprint([first]) == fingerprint([second])) is same


def test_32_is_32_point_0() -> None:
    assert canonical(Lora(alpha=32)) == canonical(Lora(alpha=32.0))
    assert canonical(Bottleneck(16)) == canonical(Bottleneck(16.0))


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (lambda: 1, "is a function"),
        ({1, 2}, "is a set"),
        (pathlib.Path("/data"), "is a PosixPath"),
        (object(), "is a object"),
        (np.int64(3), "is a int64"),
        (b"bytes", "is a bytes"),
        (Lora, "is a type"),
        (math.nan, "is nan"),
        (math.inf, "is inf"),
        ({1: "one"}, "has keys that are not strings"),
    ],
    ids=["function", "set", "path", "object", "numpy", "bytes", "type", "nan", "infinity", "keys"],
)
def test_what_has_no_stable_form_is_refused_with_its_place(value, said: str) -> None:
    with pytest.raises(UserError, match=rf"^spec\.config\[1\] {said}") as caught:
        canonical({"config": [1, value]})
    assert "use " in str(caught.value), "an error names its remedy"
