"""Scores per class, macro-F1, the majority class and chance: against scikit-learn, and in the report."""

import csv

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fake_store import everywhere, fake_mirror, fake_model, fill, planned, put_values, train

from adaptx.catalog import NLI, SNLI
from adaptx.errors import UserError
from adaptx.metrics.per_class import chance, class_scores, macro_f1, majority_class
from adaptx.report.report import write_report
from adaptx.sources.sources import Sources
from adaptx.specs import Classification, Lora, MultipleChoice, Sequential, Tagging, Task
from adaptx.store.store import Store

labels = st.sampled_from(["yes", "no", "perhaps", ""])


@given(st.lists(st.tuples(labels, labels), min_size=1, max_size=30))
def test_they_are_scikit_learns(pairs: list[tuple[str, str]]) -> None:
    from sklearn.metrics import f1_score, precision_recall_fscore_support

    predictions, golds = (list(each) for each in zip(*pairs, strict=True))
    found = class_scores(predictions, golds)
    names = sorted({*predictions, *golds})
    wanted = precision_recall_fscore_support(golds, predictions, labels=names, zero_division=0)
    assert [each.name for each in found] == [name or "no label" for name in names]
    for each, precision, recall, f1, rows in zip(found, *wanted, strict=True):
        assert (each.precision, each.recall, each.f1, each.gold) == pytest.approx((precision, recall, f1, rows))
    assert macro_f1(found) == pytest.approx(f1_score(golds, predictions, average="macro", zero_division=0))


def test_scores_of_three_classes() -> None:
    found = class_scores(["a", "a", "a", "b"], ["a", "a", "b", "c"])
    assert [(each.name, each.gold, each.predicted, each.correct) for each in found] == [
        ("a", 2, 3, 2),
        ("b", 1, 1, 0),
        ("c", 1, 0, 0),
    ]
    assert (found[0].precision, found[0].recall, found[0].f1) == pytest.approx((2 / 3, 1, 0.8))
    assert macro_f1(found) == pytest.approx(0.8 / 3)
    assert macro_f1(()) == 0
    with pytest.raises(UserError, match="2 predictions for 1 gold"):
        class_scores(["a", "a"], ["a"])


def test_majority_class_and_chance_are_those_of_formats_with_classes() -> None:
    three = Task("three", Classification(("a", "b", "c")))
    found = majority_class(three, ["b", "a", "b", "c"])
    assert found is not None
    assert (found.name, found.share, chance(three)) == ("b", 0.5, pytest.approx(1 / 3))
    choices = Task("choices", MultipleChoice())
    found = majority_class(choices, [1, 1, 0])
    assert found is not None
    assert (found.name, found.share, chance(choices)) == ("choice 2", pytest.approx(2 / 3), None)
    tags = Task("tags", Tagging(("O", "B-X", "I-X")), metrics=("entity_f1",))
    assert majority_class(tags, [["O"], ["B-X"]]) is None
    assert chance(tags) is None


def test_the_report_shows_the_majority_class_and_the_classes(tmp_path) -> None:
    task = NLI.in_languages("en", "ko")
    sources = Sources(fake_mirror(tmp_path / "data", task, SNLI))
    model, store = fake_model(tmp_path / "tiny", ()), Store(tmp_path / "store")
    baseline = everywhere(train(model, task, Lora(4)), task)
    plan = planned(
        sources, baseline, everywhere(train(model, task, Lora(4), Sequential(train(model, SNLI, Lora(4)))), task)
    )
    fill(plan, store, sources)
    entry = store.find(plan.fingerprint_of(baseline[1]))
    assert entry is not None
    golds = entry.golds.golds
    put_values(store, entry.fingerprint, predictions=["neutral"] * len(golds))
    report = write_report(plan, store, tmp_path / "out")
    share = max(golds.count(each) for each in set(golds)) / len(golds)
    scores = report.tables[0]
    row = next(row for row in scores.rows if row[0].text == "(majority class)")
    place = [column.header for column in scores.columns].index(baseline[1].language)
    assert row[place].text == f"{100 * share:.1f}"
    assert "Guessing among the labels scores 33.3%" in scores.caption
    with (tmp_path / "out" / "classes.csv").open() as stream:
        records = [each for each in csv.DictReader(stream) if each["fingerprint"] == entry.fingerprint]
    assert {each["class"]: int(each["rows"]) for each in records} == {each: golds.count(each) for each in set(golds)}
    assert {each["class"]: int(each["predicted"]) for each in records}["neutral"] == len(golds)
    wanted = macro_f1(class_scores(["neutral"] * len(golds), golds))
    assert [float(each["macro_f1"]) for each in records] == pytest.approx([wanted] * len(records))
    tidy = report.table
    (value,) = tidy[tidy.fingerprint == entry.fingerprint].macro_f1
    assert value == pytest.approx(wanted)
    assert "Macro-F1, and precision, recall and F1 of each class" in report.html.read_text()
