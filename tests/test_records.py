"""Records of the store: what is written is read back, anything else is refused, and nothing reads them but by type."""

import ast
import dataclasses
import json
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.spec_samples import samples

from adaptx.specs import Linear, MergeRule, Method
from adaptx.specs.checked import is_spec
from adaptx.store import mixing, records
from adaptx.store.record_json import Unreadable, from_json, parse_record, read_record, to_json
from adaptx.store.records import (
    Environment,
    Golds,
    MergeResult,
    OneClass,
    Scores,
    SearchStep,
    TrainingStep,
    TrainResult,
)
from adaptx.store.store import write_json

RECORDS = sorted(
    {
        each
        for file in (records, mixing)
        for each in vars(file).values()
        if isinstance(each, type) and each.__module__ == file.__name__
    },
    key=lambda each: each.__name__,
)
TEXTS = st.text(max_size=6)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2),
    max_leaves=4,
)
PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    bool: st.booleans(), int: st.integers(), float: NUMBERS, str: TEXTS, Any: JSON, type(None): st.none(),
    list[Any]: st.lists(JSON, max_size=3),
}  # fmt: skip
SPECS = samples()


def values(hint: Any) -> st.SearchStrategy[Any]:
    """Values of a field's type."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint in PLAIN:
        return PLAIN[hint]
    if origin in (typing.Union, types.UnionType):
        return st.one_of([values(each) for each in arguments])
    if origin is tuple:
        return st.lists(values(arguments[0]), max_size=3).map(tuple)
    if origin is Mapping:
        return st.dictionaries(TEXTS, values(arguments[1]), max_size=3)
    if is_spec(hint):
        return st.just(SPECS[hint])
    if hint in (MergeRule, Method):
        return st.sampled_from([spec for kind, spec in SPECS.items() if issubclass(kind, hint)])
    hints = typing.get_type_hints(hint)
    return st.builds(hint, **{field.name: values(hints[field.name]) for field in dataclasses.fields(hint)})


def test_every_record_is_found() -> None:
    assert {TrainResult, MergeResult, Scores, Golds, TrainingStep, mixing.MixingWeights} <= set(RECORDS)


@pytest.mark.parametrize("record", RECORDS)
@given(data=st.data())
def test_a_record_comes_back_as_it_was_written(record: type, data: st.DataObject) -> None:
    value = data.draw(values(record))
    text = json.dumps(to_json(value), allow_nan=False)
    assert parse_record(record, text) == value
    assert json.dumps(to_json(from_json(record, json.loads(text)))) == text


@pytest.mark.parametrize("record", RECORDS)
@given(data=st.data())
def test_a_record_with_a_field_more_or_less_is_refused(record: type, data: st.DataObject) -> None:
    body = to_json(data.draw(values(record)))
    name = data.draw(st.sampled_from(list(body)))
    with pytest.raises(Unreadable, match=f"has no `{name}`, which this version of adaptx writes"):
        from_json(record, {key: value for key, value in body.items() if key != name})
    with pytest.raises(Unreadable, match="has a `colour`, which this version of adaptx does not know"):
        from_json(record, {**body, "colour": 1})


SEARCHED = MergeResult(
    seconds=1.0,
    rule=Linear((0.5, 0.5)),
    merged=("nli", "topic"),
    weights=(0.5, 0.5),
    searched_on="development set of nli",
    search=(SearchStep((1.0, 0.0), 0.25),),
    kept_of_squared_norm=None,
    parameters=8,
    head_parameters=0,
    peak_memory_bytes=1,
    memory_measure="resident set",
    environment=Environment("cpu", 2, {"torch": "2"}),
)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("seconds", "long", '`seconds` is "long", not a number'),
        ("seconds", True, "`seconds` is true, not a number"),
        ("seconds", None, "`seconds` is null, not a number"),
        ("parameters", 8.5, "`parameters` is 8.5, not a whole number"),
        ("memory_measure", 3, "`memory_measure` is 3, not a text"),
        ("merged", "nli", '`merged` is "nli", not a list'),
        ("merged", ["nli", 1], "`merged[1]` is 1, not a text"),
        ("weights", [None], "`weights[0]` is null, not a number"),
        ("search", [{"weights": [1], "score": "x"}], '`search[0].score` is "x", not a number'),
        ("search", [{"weights": [1]}], "`search[0]` has no `score`, which this version of adaptx writes"),
        ("environment", [], "`environment` is [], not the record Environment"),
        ("environment", {"device": "cpu", "threads": 2, "versions": {"torch": 2}}, "`environment.versions.torch` is 2"),
        ("rule", {"type": "Nonsense"}, "`rule`: the stored spec contains a Nonsense"),
        ("rule", "Linear", '`rule` is "Linear", not a spec'),
        ("rule", {}, "`rule`: "),
    ],
)
def test_a_value_of_another_type_is_refused_with_its_place(name: str, value: Any, told: str) -> None:
    assert from_json(MergeResult, to_json(SEARCHED)) == SEARCHED
    with pytest.raises(Unreadable) as caught:
        from_json(MergeResult, {**to_json(SEARCHED), name: value})
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "it is not valid JSON"),
        ('{"golds": NaN, "predictions": null}', "it is not valid JSON: it holds NaN"),
        ("[]", "it is [], not the record OneClass"),
        ('"' + "x" * 90 + '"', "..., not the record OneClass"),
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "file.json"
    file.write_text(text)
    with pytest.raises(Unreadable) as caught:
        read_record(OneClass, file)
    assert told in str(caught.value)


def test_numbers_that_are_not_finite_are_not_written(tmp_path: Path) -> None:
    golds = Golds(task="mine", language="en", golds=[float("nan")], rows=(0,), clusters=())
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "golds.json", to_json(golds))
    assert not (tmp_path / "golds.json").exists()


PACKAGE = Path(__file__).parents[1] / "adaptx"
OUTSIDE_THE_STORE = [file for file in sorted(PACKAGE.rglob("*.py")) if file.parent.name != "store"]
RECORD_FILES = {value for file in (records, mixing) for name, value in vars(file).items() if name.endswith("_FILE")}
# Reads JSON that is no record of a stage: settings of other libraries' folders, and the files of a mirror.
READERS = {"data/mirror.py", "exporting/adapters_folder.py", "exporting/reading_tokenizer.py"}


def test_the_files_of_records_are_named_in_one_place() -> None:
    assert {"stage.json", "result.json", "scores.json", "steps.jsonl"} <= RECORD_FILES


@pytest.mark.parametrize("file", OUTSIDE_THE_STORE, ids=lambda file: file.relative_to(PACKAGE).as_posix())
def test_no_record_is_read_by_keys_outside_the_store(file: Path) -> None:
    """A record is had from the store by its type alone: nothing else names its file, or reads the store's JSON."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    place = file.relative_to(PACKAGE).as_posix()
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    # The report's folder has a file of the same name, the tidy table.
    own = {records.SCORES_FILE} if place == "report/report.py" else set[str]()
    assert not texts & RECORD_FILES - own, "take the name from adaptx.store.records"
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert "read_json" not in names or place in READERS
