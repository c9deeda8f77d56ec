"""What the report says beside scores that others print under the same name, and of languages it knows nothing of."""

import dataclasses
import io
from pathlib import Path

import pytest
from rich.console import Console
from support.fake_store import everywhere, fake_mirror, fake_model, fill, planned

from adaptx.catalog import BUCC, LAREQA, LAREQA_OFFICIAL, MEWSLIX, MLQA, TATOEBA, XNLI, XTREME_R
from adaptx.display.plan import Placement, show_plan
from adaptx.report import write_report
from adaptx.report.results.measured import measure
from adaptx.report.results.scored_as import how_scored
from adaptx.report.results.suites import suite_rows
from adaptx.sources.sources import Sources
from adaptx.specs import BitextMining, CandidateText, Resources, Retrieval
from adaptx.store.store import Store


def test_tatoeba_s_accuracy_is_told_from_f1() -> None:
    assert "MTEB's main score there is F1" in how_scored(TATOEBA)


@pytest.mark.parametrize(("every", "share"), [(5, "one gold pair in 5 (20%)"), (4, "one gold pair in 4 (25%)")])
def test_bucc_s_development_share_is_told(every: int, share: str) -> None:
    said = how_scored(dataclasses.replace(BUCC, format=BitextMining(development_every=every)))
    assert share in said
    assert "Published scores choose the threshold on BUCC's own development sentences" in said


def test_lareqa_s_candidates_and_their_reading_are_told() -> None:
    assert "split by a rule" in how_scored(LAREQA)
    assert "one text, as in the official script" in how_scored(LAREQA_OFFICIAL)
    pairs = dataclasses.replace(LAREQA_OFFICIAL, format=Retrieval(ranked_as=CandidateText.PAIR))
    assert "as a pair of texts. The official script joins them" in how_scored(pairs)


@pytest.mark.parametrize("task", [XNLI, MLQA, MEWSLIX], ids=lambda task: task.name)
def test_other_tasks_need_no_word(task) -> None:
    assert how_scored(task) == ""


def test_plan_and_report_name_unknown_languages_and_the_report_how_tatoeba_is_scored(tmp_path: Path) -> None:
    rows = (TATOEBA.evaluation[0], dataclasses.replace(TATOEBA.evaluation[1], language="qq"))
    task = dataclasses.replace(TATOEBA, evaluation=rows)
    model = fake_model(tmp_path / "tiny-bert")
    sources, store = Sources(fake_mirror(tmp_path / "data", task)), Store(tmp_path / "store")
    plan = planned(sources, everywhere(model, task))
    console = Console(file=io.StringIO(), width=200)
    show_plan(plan, store, console, why=False, place=Placement(Resources("cpu")))
    assert "unknown language codes: qq;" in console.file.getvalue()
    fill(plan, store, sources)
    report = write_report(plan, store, tmp_path / "out")
    assert any("Unknown language codes: qq." in warning for warning in report.warnings)
    assert "MTEB's main score there is F1" in report.markdown()
    assert "MTEB&#39;s main score there is F1" in report.html.read_text(encoding="utf-8")


def test_lareqa_by_its_authors_breaks_fills_the_suite_s_cell_with_a_note_and_a_smaller_pool_does_not(tmp_path) -> None:
    first = {"evaluation": LAREQA.evaluation[:2], "train": (), "development": ()}
    official = dataclasses.replace(LAREQA_OFFICIAL, **first)
    small = dataclasses.replace(LAREQA_OFFICIAL, name="lareqa_small", pool=LAREQA_OFFICIAL.pool[:2], **first)
    model = fake_model(tmp_path / "tiny-bert")
    sources = Sources(fake_mirror(tmp_path / "data", official))
    for task, is_there in ((official, True), (small, False)):
        store = Store(tmp_path / task.name)
        plan = planned(sources, everywhere(model, task))
        fill(plan, store, sources)
        rows = suite_rows(XTREME_R, measure(plan, store))
        assert [list(row.scores) for row in rows] == [["lareqa"]] * is_there
        if is_there:
            assert rows[0].notes["lareqa"] == how_scored(official)
            assert rows[0].notes["lareqa"].startswith("Candidates are the sentences that the data set marks.")
