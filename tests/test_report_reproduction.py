"""Published scores beside ours: what is held against the band, and what only stands beside."""

import dataclasses
from pathlib import Path

import pytest
from support.fake_store import everywhere, fake_mirror, fake_model, fill, planned, train

from adaptx.catalog import MT5_ZERO_SHOT, PHANG_2020, SNLI, TASKS, XNLI
from adaptx.report import write_report
from adaptx.report.results.measured import measure
from adaptx.report.tables.reproduction import reproduction_table
from adaptx.sources.sources import Sources
from adaptx.specs import Lora, PublishedScore, Sequential
from adaptx.store.store import Store

TARGET = dataclasses.replace(
    XNLI,
    evaluation=tuple(
        dataclasses.replace(rows, expected=60) for rows in XNLI.evaluation if rows.language in ("en", "de")
    ),
)
LORA = Lora(rank=4)


def score(with_intermediate: bool, value: float, model: str = "tiny-bert") -> PublishedScore:
    return PublishedScore(
        model=model,
        task="xnli",
        metric="accuracy",
        with_intermediate=with_intermediate,
        value=value,
        source="someone 2020",
        band=0.015,
    )


@pytest.fixture
def plan_and_store(tmp_path: Path):
    model = fake_model(tmp_path / "tiny-bert")
    sources = Sources(fake_mirror(tmp_path / "data", TARGET, SNLI))
    store = Store(tmp_path / "store")
    plan = planned(
        sources,
        everywhere(train(model, TARGET, LORA), TARGET),
        everywhere(train(model, TARGET, LORA, Sequential(train(model, SNLI, LORA))), TARGET),
    )
    fill(plan, store, sources, {"xnli": 0.5, "sequential": 0.2})
    return plan, store


def cells(table) -> list[list[str]]:
    return [[cell.text for cell in row] for row in table.rows]


def test_ours_theirs_difference_and_band_side_by_side(plan_and_store) -> None:
    measurements = measure(*plan_and_store)
    without, after = (
        sum(m.scores["accuracy"] for m in measurements.measured if m.factors.start == start) / 2
        for start in ("Pretrained", "Sequential")
    )
    published = (score(False, without + 0.01), score(False, without + 0.02), score(True, after - 0.3))
    table = reproduction_table(published, measurements)
    assert table is not None
    inside, outside, far = cells(table)
    assert inside[2:7] == [
        "tiny-bert, no intermediate task",
        f"{100 * without + 1:.1f}",
        f"{100 * without:.1f}",
        "−1.0",
        "yes",
    ]
    assert outside[5:7] == ["−2.0", "no"]
    assert far[4:7] == [f"{100 * after:.1f}", "+30.0", "no"]
    assert "Sequential" in far[7]
    assert "baseline" in inside[7]
    assert "±1.5" in table.caption


def test_what_cannot_be_compared_says_why(plan_and_store) -> None:
    plan, store = plan_and_store
    measurements = measure(plan, store)
    other = reproduction_table([score(False, 0.5, "xlm-roberta-large")], measurements)
    assert cells(other)[0][6] == "other model"
    fewer = dataclasses.replace(
        measurements,
        measured=tuple(
            dataclasses.replace(m, record=dataclasses.replace(m.record, rows_used=30, rows_expected=60))
            for m in measurements.measured
        ),
    )
    assert cells(reproduction_table([score(False, 0.5)], fewer))[0][6] == "fewer rows"
    english = dataclasses.replace(
        measurements, measured=tuple(m for m in measurements.measured if m.evaluate.language == "en")
    )
    assert cells(reproduction_table([score(False, 0.5)], english))[0][6] == "1 of 2 languages"


def test_nothing_measured_on_a_published_task_is_no_table(plan_and_store) -> None:
    tydiqa = [score for score in PHANG_2020 if score.task == "tydiqa"]
    assert reproduction_table(tydiqa, measure(*plan_and_store)) is None


def test_the_report_shows_the_table(plan_and_store, tmp_path: Path) -> None:
    plan, store = plan_and_store
    plan = dataclasses.replace(plan, recipe=dataclasses.replace(plan.recipe, published=(score(False, 0.5),)))
    report = write_report(plan, store, tmp_path / "out")
    assert "Published scores compared with ours" in report.html.read_text()
    assert any(table.title == "Published scores and ours" for table in report.tables)


@pytest.mark.parametrize("published", [*PHANG_2020, *MT5_ZERO_SHOT], ids=str)
def test_published_scores_name_tasks_and_metrics_of_the_catalog(published: PublishedScore) -> None:
    task = TASKS[published.task]
    assert published.metric in task.format.metrics
    assert 0 < published.value < 1
