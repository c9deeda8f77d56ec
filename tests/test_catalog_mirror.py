"""The catalog against real rows: files, columns and labels of the local mirror that lies beside the checkout."""

import csv
import dataclasses
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from adaptx.catalog import LAREQA, LAREQA_OFFICIAL, TASKS
from adaptx.catalog.tasks.retrieval import LAREQA_CANDIDATES
from adaptx.data.reading import read_pool
from adaptx.report.results.scored_as import how_scored
from adaptx.sources.sources import Sources
from adaptx.specs import Rows, Task

MIRROR = Path(__file__).parents[2] / "shared/data/hub"
pytestmark = pytest.mark.skipif(not MIRROR.is_dir(), reason="shared/data/hub is not beside this checkout")


def every_set(task: Task) -> tuple[Rows, ...]:
    return (*task.train, *task.development, *task.evaluation, *task.pool, *task.translated)


def file(rows: Rows) -> Path:
    return MIRROR / f"{rows.address}.parquet"


def leaves(field: pa.Field, prefix: str = "") -> set[str]:
    """A column's name, and with a dot those within it."""
    name = f"{prefix}{field.name}"
    inner = (
        [field.type.field(index) for index in range(field.type.num_fields)] if pa.types.is_struct(field.type) else []
    )
    return {name}.union(*(leaves(each, f"{name}.") for each in inner))


def values(rows: Rows, role: str) -> list[Any]:
    column = rows.column(role)
    assert isinstance(column, str)
    return pq.read_table(file(rows), columns=[column]).column(0).to_pylist()


PRESENT = [
    pytest.param(task, id=task.name) for task in TASKS.values() if any(file(rows).is_file() for rows in every_set(task))
]


def test_the_mirror_s_sets_are_in_the_catalog() -> None:
    known = {(rows.hub_id, rows.config) for task in TASKS.values() for rows in every_set(task)}
    with (MIRROR / "INDEX.tsv").open(encoding="utf-8", newline="") as lines:
        there = {(line["hub_id"], line["config"]) for line in csv.DictReader(lines, delimiter="\t")}
    assert len(there) > 250
    assert there - known == set()


@pytest.mark.parametrize("task", PRESENT)
def test_columns_are_there(task: Task) -> None:
    for rows in every_set(task):
        if file(rows).is_file():
            there = set[str]().union(*(leaves(field) for field in pq.read_schema(file(rows))))
            wanted = [name for _, column in rows.columns for name in ((column,) if isinstance(column, str) else column)]
            assert set(wanted) <= there, f"{rows.address} has {sorted(there)}"


@pytest.mark.parametrize("task", PRESENT)
def test_raw_values_are_those_the_catalog_names(task: Task) -> None:
    for rows in every_set(task):
        if not file(rows).is_file():
            continue
        roles = {role for role, _ in rows.columns}
        if "label" in roles and rows.label_names:
            found = set(values(rows, "label")) - set(rows.dropped_labels)
            assert found <= set(range(len(rows.label_names)))
        elif "label" in roles:
            wanted = rows.choice_keys or tuple(task.format.labels or range(4))
            assert set(values(rows, "label")) <= set(wanted), rows.address
        if "tags" in roles:
            assert {tag for tags in values(rows, "tags") for tag in tags} <= set(range(len(rows.label_names)))
        for role, wording in rows.wording:
            assert set(values(rows, role)) == {raw for raw, _ in wording}


@pytest.mark.parametrize("task", PRESENT)
def test_slices_and_prefixes_leave_rows(task: Task) -> None:
    for rows in every_set(task):
        if not file(rows).is_file():
            continue
        count = pq.read_metadata(file(rows)).num_rows
        assert count > rows.first, f"{rows.address} has {count} rows, the slice begins at {rows.first}"
        if rows.starts_with:
            column, prefix = rows.starts_with
            ids: list[str] = pq.read_table(file(rows), columns=[column]).column(0).to_pylist()
            # The mirror lacks two of TyDiQA's languages.
            assert any(each.startswith(prefix) for each in ids) or rows.language in ("bn", "te")


@pytest.mark.parametrize("task", PRESENT)
def test_parallel_sets_have_the_same_labels_or_ids_row_by_row(task: Task) -> None:
    columns: dict[str, list[list[Any]]] = {}
    for rows in task.evaluation:
        if rows.parallel_group and file(rows).is_file():
            there = {role for role, _ in rows.columns}
            aligned = next((role for role in ("label", "gold") if role in there), None)
            count = pq.read_metadata(file(rows)).num_rows
            columns.setdefault(rows.parallel_group, []).append(values(rows, aligned) if aligned else [count])
    for group, found in columns.items():
        assert all(each == found[0] for each in found), f"{task.name}: rows of {group} are not parallel"


OFFICIAL_CANDIDATES = {
    "ar": 1_222, "de": 1_276, "el": 1_234, "en": 1_180, "es": 1_215, "hi": 1_244, "ru": 1_219, "th": 852, "tr": 1_167,
    "vi": 1_209, "zh": 1_196,
}  # fmt: skip
"""XQuAD-R's, from the README of github.com/google-research-datasets/lareqa."""


def test_lareqa_s_candidates_are_the_official_ones_by_the_authors_breaks() -> None:
    assert sum(OFFICIAL_CANDIDATES.values()) == LAREQA_CANDIDATES == 13_014
    there = tuple(rows for rows in LAREQA_OFFICIAL.pool if file(rows).is_file())
    assert len(there) >= 8
    for rows in there:
        pool = read_pool(dataclasses.replace(LAREQA_OFFICIAL, pool=(rows,)), Sources(MIRROR))
        assert len(pool) == OFFICIAL_CANDIDATES[rows.language], rows.language
        # Each question has exactly one right sentence in each language, and it holds the answer's beginning.
        answered = [key for keys in pool.columns["answers"] for key in keys]
        assert len(answered) == len(set(answered)) == 1_190


def test_without_breaks_lareqa_s_candidates_come_by_rule_and_the_report_says_so() -> None:
    rows = next(rows for rows in LAREQA.pool if rows.language == "en")
    assert "sentence_breaks" not in pq.read_schema(file(rows)).names
    pool = read_pool(dataclasses.replace(LAREQA, pool=(rows,)), Sources(MIRROR))
    assert 1_100 < len(pool) < 1_300
    assert "split by a rule" in how_scored(LAREQA)
    assert "13,014" in how_scored(LAREQA)
    assert "rule" not in how_scored(LAREQA_OFFICIAL)
