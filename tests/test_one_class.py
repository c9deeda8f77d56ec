"""A test set or predictions of one class alone: said during a run, recorded, and noted in the report."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from support.fake_store import everywhere, fake_mirror, fake_model, fill, planned, put_values, train

from adaptx.catalog import NLI, SNLI
from adaptx.metrics.one_class import one_class_notes, only_class, sentences
from adaptx.report.report import write_report
from adaptx.sources.sources import Sources
from adaptx.specs import (
    Bitext,
    BitextMining,
    Classification,
    Lora,
    MaskedLanguageModel,
    MultipleChoice,
    QuestionAnswering,
    Retrieval,
    Sequential,
    Tagging,
)
from adaptx.specs.formats.question_answering import NO_ANSWER
from adaptx.store.records import OneClass
from adaptx.store.store import Store

LABELS = Classification(("yes", "no"))


@pytest.mark.parametrize(
    ("task_format", "values", "wanted"),
    [
        (LABELS, ["no", "no"], "no"),
        (LABELS, ["no", "yes"], None),
        (LABELS, ["", ""], "no label"),
        (LABELS, ["no"], None),
        (MultipleChoice(), [1, 1, 1], "choice 2"),
        (MultipleChoice(), [1, 0], None),
        (Tagging(("O", "B-X")), [["O"], ["O", "O"]], "O"),
        (Tagging(("O", "B-X")), [["O"], ["O", "B-X"]], None),
        (QuestionAnswering(), ["", " "], NO_ANSWER),
        (QuestionAnswering(), ["", "x"], None),
        (QuestionAnswering(), [["a"], []], None),
        (QuestionAnswering(), [[], []], NO_ANSWER),
        (
            QuestionAnswering(unanswerable=True),
            [{"text": "a", "no_answer": 0.9}, {"text": "b", "no_answer": 0.6}],
            NO_ANSWER,
        ),
        (
            QuestionAnswering(unanswerable=True),
            [{"text": "a", "no_answer": 0.9}, {"text": "b", "no_answer": 0.5}],
            None,
        ),
        (Retrieval(), [["Q1", "Q2"], ["Q1", "Q3"]], "candidate Q1"),
        (Retrieval(), [["Q1", "Q2"], ["Q2", "Q1"]], None),
        (Bitext(), [4, 4], "candidate 4"),
        (BitextMining(), [None, None], None),
        (MaskedLanguageModel(), [[1, 2], [1, 2]], None),
    ],
)
def test_one_class_alone_is_named(task_format, values, wanted) -> None:
    assert only_class(task_format, values) == wanted


@given(st.lists(st.sampled_from(["yes", "no"]), max_size=6), st.lists(st.sampled_from(["yes", "no"]), max_size=6))
def test_a_sentence_is_said_for_each_and_for_none_else(predictions, golds) -> None:
    found = one_class_notes(LABELS, predictions, golds)
    alone = [len(values) > 1 and len(set(values)) == 1 for values in (golds, predictions)]
    assert [value is not None for value in (found.golds, found.predictions)] == alone
    assert len(sentences(found, 6)) == sum(alone)


def test_the_report_marks_scores_of_constant_models(tmp_path) -> None:
    target = NLI
    sources = Sources(fake_mirror(tmp_path / "data", target, SNLI))
    model, store = fake_model(tmp_path / "tiny", ()), Store(tmp_path / "store")
    baseline = train(model, target, Lora(4))
    variant = train(model, target, Lora(4), Sequential(train(model, SNLI, Lora(4))))
    plan = planned(sources, everywhere(baseline, target), everywhere(variant, target))
    fill(plan, store, sources)
    before = write_report(plan, store, tmp_path / "before")
    assert "†" not in before.markdown()
    constant = everywhere(baseline, target)[1]
    one_class = OneClass("neutral", "entailment")
    put_values(store, plan.fingerprint_of(constant), one_class=one_class)
    report = write_report(plan, store, tmp_path / "out")
    code = constant.language
    assert f"† The model predicts the same class for every row: lora-r4 · baseline in {code} (entailment)." in (
        report.tables[0].caption
    )
    marked = [cell.text for row in report.tables[0].rows for cell in row if cell.text.endswith("†")]
    assert marked
    assert any("have the same class" in each and "(neutral)" in each for each in report.warnings)
    assert any("predict the same class" in each and "(entailment)" in each for each in report.warnings)
    console = Console(record=True, width=200, file=io.StringIO())
    report.print(console)
    assert "†" in console.export_text()
