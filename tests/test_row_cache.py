"""Rows are read, checked and tokenised once per run, in bounded memory, and never where anything differs."""

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from support import tiny

from adaptx.catalog.local import local_task
from adaptx.errors import UserError
from adaptx.formats import behaviour, row_cache
from adaptx.formats.interface import Reading
from adaptx.formats.row_cache import RowCache, held_bytes
from adaptx.sources.sources import Sources
from adaptx.specs import Classification, Full, Hidden, Lora, Pooling, Task

FORMAT = Classification(("sport", "politics"))
WORLD = ("en", *tiny.LANGUAGES[1:])


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tiny.World:
    return tiny.make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What was read from files, in order."""
    seen: list[Any] = []
    read_rows, read_training = row_cache.read_rows, row_cache.read_training
    monkeypatch.setattr(row_cache, "read_rows", lambda rows, *more: seen.append(rows) or read_rows(rows, *more))
    monkeypatch.setattr(
        row_cache, "read_training", lambda task, *more: seen.append(task.train) or read_training(task, *more)
    )
    return seen


def written(file: Path, count: int = 40, word: str = "goal") -> Path:
    lines = (json.dumps({"text": f"{word} {row}", "label": FORMAT.labels[row % 2]}) for row in range(count))
    file.write_text("\n".join(lines))
    return file


def own(file: Path) -> Task:
    return local_task("news", FORMAT, {"en": file}, evaluation={"en": file})


def test_a_set_is_read_again_only_where_something_else_is_asked_for(tmp_path, counted):
    task, cache = own(written(tmp_path / "news.jsonl")), RowCache(Sources())
    rows = task.rows_in("en")
    whole = cache.rows(rows, FORMAT)
    assert cache.rows(dataclasses.replace(rows), FORMAT) is whole
    few = cache.rows(rows, FORMAT, 8)
    assert (len(whole), len(few)) == (40, 8)
    assert cache.rows(rows, FORMAT, 8) is few
    other = cache.rows(rows, Classification(("politics", "sport")), 8)
    assert other is not few
    assert len(counted) == 3
    trained = cache.training(task, None, 1)
    assert cache.training(task, None, 2) is trained
    assert cache.training(task, 8, 1).rows != cache.training(task, 8, 2).rows
    assert len(counted) == 6


def test_a_file_that_changes_while_its_rows_are_held_is_refused(tmp_path):
    task, cache = own(written(tmp_path / "news.jsonl")), RowCache(Sources())
    cache.rows(task.rows_in("en"), FORMAT)
    written(tmp_path / "news.jsonl", 41, "match")
    with pytest.raises(UserError, match="changed while adaptx was running"):
        cache.rows(task.rows_in("en"), FORMAT)


def test_tokens_are_made_once_per_way_of_reading(world, tmp_path):
    task, cache = own(written(tmp_path / "news.jsonl")), RowCache(world.sources)
    kind, examples = behaviour(FORMAT), cache.rows(task.rows_in("en"), FORMAT)
    tokenizer = cache.tokenizer(world.bert)
    assert cache.tokenizer(world.bert) is tokenizer
    reading = Reading(tokenizer=tokenizer, framing=Hidden(), max_length=16)
    made = cache.inputs(kind, examples, FORMAT, reading)
    assert cache.inputs(kind, examples, FORMAT, dataclasses.replace(reading)) is made
    for other in (
        dataclasses.replace(reading, max_length=8),
        dataclasses.replace(reading, framing=Hidden(pooling=Pooling.FIRST)),
        dataclasses.replace(reading, causal=True),
    ):
        assert cache.inputs(kind, examples, FORMAT, other) is not made
    assert kind.training is not None
    items = cache.items(kind.training, examples, FORMAT, reading)
    assert cache.items(kind.training, examples, FORMAT, reading) is items
    assert items.encoded.ids == made.encoded[0].ids
    # A user's rows come from elsewhere: no stage reads them again.
    held, theirs = cache.held_bytes, dataclasses.replace(examples)
    assert cache.inputs(kind, theirs, FORMAT, reading) is not cache.inputs(kind, theirs, FORMAT, reading)
    assert cache.held_bytes == held


def test_what_was_used_longest_ago_goes_first_and_what_is_too_large_is_not_kept(tmp_path, counted):
    tasks = [own(written(tmp_path / f"{name}.jsonl", 400, name)) for name in ("one", "two", "three")]
    sets = [task.rows_in("en") for task in tasks]
    size = held_bytes(RowCache(Sources()).rows(sets[0], FORMAT))
    counted.clear()
    cache = RowCache(Sources(), int(2.5 * size))
    for number in (0, 1, 0, 2, 0, 1):
        found = cache.rows(sets[number], FORMAT)
        assert found.columns["text"][0] == f"{('one', 'two', 'three')[number]} 0"
        assert cache.held_bytes <= cache.most_bytes
        assert len(cache._key_of) == len(cache._held) <= 2
    assert [sets.index(rows) for rows in counted] == [0, 1, 2, 1]
    small = RowCache(Sources(), size // 2)
    assert small.rows(sets[0], FORMAT) is not small.rows(sets[0], FORMAT)
    assert small.held_bytes == 0
    cache.clear()
    assert (cache.held_bytes, len(cache._held), len(cache._key_of)) == (0, 0, 0)


def test_the_estimate_is_near_what_is_held():
    texts = [f"word {number} " * 20 for number in range(5_000)]
    ids = [[1_000 + number + place for place in range(40)] for number in range(5_000)]
    exact = sum(map(sys.getsizeof, texts)) + sum(sys.getsizeof(row) + sum(map(sys.getsizeof, row)) for row in ids)
    assert held_bytes((texts, ids)) == pytest.approx(exact, rel=0.05)
    assert held_bytes((texts, texts)) == pytest.approx(held_bytes((texts,)), rel=0.01)


def test_a_run_reads_each_set_once_for_all_its_variants_and_the_check_before(world, tmp_path, counted):
    trained = [tiny.train(world.bert, tiny.NLI, method) for method in (Full(), Lora(4), Lora(8))]
    stages = tuple(stage for each in trained for stage in tiny.everywhere(each))
    _, _, summary = tiny.execute(world, tmp_path / "store", stages)
    assert summary.complete
    assert len(counted) == len(set(counted)) == 1 + len(tiny.LANGUAGES[1:])
