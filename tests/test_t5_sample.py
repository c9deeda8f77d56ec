"""The recipe of a small mT5 from random weights: what it writes beside the checkpoint, and that it runs on it."""

import importlib.util
import json

import pytest
from pyarrow import Table
from pyarrow.parquet import write_table
from support import tiny
from support.questions import ROOT, imported

from adaptx.catalog import find_model, ntrex_spans

recipe = imported("t5_sample")
found = importlib.util.spec_from_file_location("small_mt5", ROOT / "benchmarks" / "small_mt5.py")
writing = importlib.util.module_from_spec(found)
found.loader.exec_module(writing)


@pytest.fixture(scope="module")
def mirror(tmp_path_factory):
    """NTREX as `ntrex_spans` slices it, in made-up sentences of eight words."""
    folder = tmp_path_factory.mktemp("mirror")
    for language in recipe.NAMES:
        (rows,) = ntrex_spans(language).evaluation
        texts = [" ".join(f"{language}{(row * 7 + place) % 40}" for place in range(8)) for row in range(rows.stop)]
        path = folder / f"{rows.address}.parquet"
        path.parent.mkdir(parents=True)
        write_table(Table.from_pydict({"text": texts}), path)
    return folder


@pytest.fixture(scope="module")
def folder(mirror, tmp_path_factory):
    folder = tmp_path_factory.mktemp("t5")
    writing.write_checkpoint(folder, mirror, size=32, layers=1, vocabulary=420)
    writing.write_rows(folder / "rows", mirror)
    return folder


def test_the_recipe_asks_for_the_languages_that_are_written():
    assert recipe.NAMES == writing.NAMES


def rows_of(folder, name):
    return [json.loads(line) for line in (folder / "rows" / name).read_text(encoding="utf-8").splitlines()]


def test_answers_stand_where_they_are_said_to(folder):
    first, second = writing.MARKS
    for row in rows_of(folder, "copying.train.de.jsonl"):
        (answer,), (start,) = row["answers"], row["answer_starts"]
        assert row["context"][start:].startswith(f"{answer} {second}")
        assert row["context"][:start].endswith(f"{first} ")
    for row in rows_of(folder, "following.test.sw.jsonl"):
        assert row["context"].split(f"{first} ")[1].split()[0] == row["answers"][0]
    assert {row["label"] for row in rows_of(folder, "naming.test.tr.jsonl")} == {"Turkish"}


def test_it_runs_on_what_it_has_written(folder, mirror, tmp_path):
    short = {"span_epochs": 0.01, "copying_epochs": 0.01, "target_rows": 20, "target_epochs": 1, "test_rows": 3}
    built = recipe.build(find_model(str(folder)), **short)
    plan, _, summary = tiny.execute(tiny.World(mirror, {}), tmp_path / "store", built.evaluations)
    assert summary.complete, summary.failed
    starts = {node.name.removeprefix(f"{folder.name}.following.full") for node in plan.nodes if node.kind == "train"}
    assert {"", ".sequential-copying", ".sequential-spans"} <= starts
