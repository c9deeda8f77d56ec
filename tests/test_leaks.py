"""Rows that occur in two data sets are found by their content, under whatever name, and said with what to do."""

import csv
import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import tiny
from support.fake_store import everywhere, fake_model, planned, train

from adaptx.catalog import local_task
from adaptx.data.contents import row_digests
from adaptx.data.examples import Examples
from adaptx.execution.local import run
from adaptx.planning.leaks import find_leaks
from adaptx.planning.plan import Plan
from adaptx.planning.pruning import leftovers
from adaptx.planning.row_contents import RowContents, contents_file, scored_rows, stored_contents, used_rows
from adaptx.sources.sources import Sources
from adaptx.specs import Classification, Evaluate, Lora, QuestionAnswering, Sequential, Tagging, Task
from adaptx.store.store import Store
from adaptx.training.progress import Silent

PAIRS = Classification(("yes", "no"))
LORA = Lora(4)


def digests(*texts: tuple[str, str]) -> list[int]:
    columns = {"text": [one for one, _ in texts], "pair": [two for _, two in texts], "label": ["yes"] * len(texts)}
    return row_digests(Examples(rows=tuple(range(len(texts))), columns=columns), PAIRS).tolist()


def test_case_spaces_punctuation_and_labels_are_not_compared() -> None:
    one, two, other = digests(
        ("The trees - all of them - do n't grow .", "Ｔrees"),
        ("the trees, all of them, don't grow", "trees"),
        ("x", "y"),
    )
    assert one == two != other
    parts = digests(("ab", "c"), ("a", "bc"), ("?", "!"), ("!", "?"))
    assert len(set(parts)) == 4, "the border between two texts counts, and so do texts of signs alone"


def test_lists_and_passages_are_texts_of_a_row() -> None:
    tagged = Examples(rows=(0, 1), columns={"tokens": [["A", "tree"], ["Atree"]], "tags": [["O", "O"], ["O"]]})
    assert len(set(row_digests(tagged, Tagging(("O", "B-X", "I-X"))).tolist())) == 1
    columns = {"question": ["who", "who"], "context": ["a tree", "a stone"], "answers": [["x"], ["x"]]}
    asked = Examples(rows=(0, 1), columns=columns)
    assert len(set(row_digests(asked, QuestionAnswering()).tolist())) == 2


texts = st.lists(st.text(max_size=4), max_size=4)


@given(texts, texts)
@settings(max_examples=40, deadline=None)
def test_equal_texts_have_equal_digests(one: list[str], two: list[str]) -> None:
    ours, theirs = digests(*((text, "") for text in one)), digests(*((text, "") for text in two))
    same = set(one) & set(two)
    assert {ours[one.index(text)] for text in same} <= set(theirs)


def write(file: Path, sentences: list[str]) -> Path:
    with file.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["text", "label"])
        writer.writerows((sentence, "yes" if number % 2 else "no") for number, sentence in enumerate(sentences))
    return file


@pytest.fixture
def tasks(tmp_path: Path) -> tuple[Task, Task, Task]:
    """An intermediate task, a target whose rows are partly the intermediate's, and an unrelated task."""
    early = [f"sentence {number} of many" for number in range(100)]
    target = [f"Sentence {number}, of many!" for number in range(90, 130)]
    scored = [f"another {number}" for number in range(45)] + ["sentence 3 of many", "SENTENCE 4 of many"]
    far = [f"far away {number}" for number in range(50)]
    files = {"early": early, "target": target, "scored": scored, "far": far}
    paths = {name: write(tmp_path / f"{name}.csv", rows) for name, rows in files.items()}
    return (
        local_task("early", PAIRS, train={"en": paths["early"]}),
        local_task("target", PAIRS, train={"en": paths["target"]}, evaluation={"sw": paths["scored"]}),
        local_task("far", PAIRS, train={"en": paths["far"]}),
    )


def planned_on(tmp_path: Path, tasks: tuple[Task, Task, Task], name: str, **fields) -> Plan:
    early, target, far = tasks
    model = fake_model(tmp_path / name, ())
    start = Sequential(train(model, early if name == "leaking" else far, LORA, **fields))
    return planned(
        Sources(None),
        everywhere(train(model, target, LORA), target),
        everywhere(train(model, target, LORA, start), target),
    )


def test_shared_rows_are_counted_and_a_remedy_is_named(tmp_path: Path, tasks) -> None:
    plan, store = planned_on(tmp_path, tasks, "leaking"), Store(tmp_path / "store")
    found = find_leaks(plan.recipe.evaluations, RowContents(store, plan.identities))
    assert not found.unknown
    assert [(each.shared, each.training_rows, each.other_rows) for each in found.overlaps] == [
        (10, 100, 40),
        (2, 100, 47),
    ]
    twice, scored = found.sentences
    assert (
        "10 of the 40 rows that target is trained on are also among the 100 rows of the intermediate task early"
        in twice
    )
    assert "`task.with_training_rows(first, stop)` or `Rows(first=..., stop=...)`" in twice
    assert "early is trained on rows that target is scored on: 2 of 47 in Swahili" in scored
    clean = planned_on(tmp_path, tasks, "clean")
    assert find_leaks(clean.recipe.evaluations, RowContents(store, clean.identities)).sentences == []


def test_disjoint_slices_share_nothing(tmp_path: Path, tasks) -> None:
    early, target, far = tasks
    apart = dataclasses.replace(early, train=(dataclasses.replace(early.train[0], first=10, stop=90),))
    plan = planned_on(tmp_path, (apart, target, far), "leaking")
    found = find_leaks(plan.recipe.evaluations, RowContents(Store(tmp_path / "store"), plan.identities))
    assert found.overlaps == ()


class Notes(Silent):
    """Keeps the lines worth keeping."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        self.lines.append(text)


def test_a_run_says_it_and_stores_contents_for_a_report_without_data(world, tmp_path: Path, tasks) -> None:
    early, target, _ = tasks
    start = Sequential(tiny.train(world.bert, early, LORA))
    evaluates = (Evaluate(tiny.train(world.bert, target, LORA, start=start), target, "sw"),)
    (plan, shop), notes = tiny.workshop(world, tmp_path / "store", evaluates), Notes()
    summary, store = run(plan, shop, notes), shop.store
    assert summary.complete, summary.failed
    assert sum("early is trained on rows that target is scored on: 2 of 47" in line for line in notes.lines) == 1
    files = [contents_file(used, store, plan.identities) for used in used_rows(node.stage for node in plan.nodes)]
    assert len(files) == 3
    assert all(stored_contents(file) is not None for file in files)
    assert not any(path.parent.name == "rows" for path in leftovers(store, [plan], []))
    assert sum(path.parent.name == "rows" for path in leftovers(store, [], [])) == 3
    said = find_leaks(evaluates, RowContents(store, plan.identities)).sentences
    for file in Path(early.train[0].hub_id.removeprefix("file:")).glob("*.csv"):
        shutil.move(file, tmp_path / f"{file.name}.away")
    assert find_leaks(evaluates, RowContents(store, plan.identities)).sentences == said
    damaged = contents_file(scored_rows(evaluates[0]), store, plan.identities)
    damaged.write_bytes(damaged.read_bytes()[:20])
    assert stored_contents(damaged) is None
    np.save(damaged, np.zeros(3))
    assert stored_contents(damaged) is None
