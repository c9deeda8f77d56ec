"""The summary at the top of a report: what it answers, what it costs, and what it does not cover."""

import dataclasses
from pathlib import Path

import pytest
from support.fake_store import everywhere, fake_mirror, fake_model, fill, train

from adaptx.catalog import NLI, SNLI
from adaptx.planning.plan import Plan, make_plan
from adaptx.report import write_report
from adaptx.report.gains.contrasts import contrast_results
from adaptx.report.gains.gain import ZERO_SHOT
from adaptx.report.gains.gains import compute_gains
from adaptx.report.page.summary import SMOKE, PageSummary, summarise
from adaptx.report.page.uncovered import uncovered
from adaptx.report.page.verdict_lines import verdict_lines
from adaptx.report.results.measured import measure
from adaptx.sources.sources import Sources
from adaptx.specs import Lora, Recipe, Sequential, difference
from adaptx.store.store import Store

TARGET = dataclasses.replace(NLI, evaluation=tuple(rows for rows in NLI.evaluation if rows.language in ("en", "ko")))
LORA = Lora(rank=4)


def stored(tmp_path: Path, seeds: int, limit: int | None = None, **fields) -> tuple[Plan, Store]:
    """A filled store of a recipe with one variant and its baseline, which differ by 30 points."""
    model = fake_model(tmp_path / "tiny-bert")
    sources = Sources(fake_mirror(tmp_path / "data", TARGET, SNLI))
    baseline, variant = [], []
    for seed in range(1, seeds + 1):
        snli = dataclasses.replace(train(model, SNLI, LORA, seed=seed), limit=limit)
        alone = dataclasses.replace(train(model, TARGET, LORA, seed=seed), limit=limit)
        baseline += everywhere(alone, TARGET)
        variant += everywhere(dataclasses.replace(alone, start=Sequential(snli)), TARGET)
    contrasts = (difference("SNLI rather than nothing", variant, baseline),) if fields.pop("contrasted", False) else ()
    recipe = Recipe("summary", (*baseline, *variant), question="Does it help?", contrasts=contrasts, **fields)
    plan, store = make_plan(recipe, sources), Store(tmp_path / "store")
    fill(plan, store, sources, {"": 0.4, "Sequential": 0.3})
    return plan, store


def summary(plan: Plan, store: Store) -> PageSummary:
    measurements, recipe = measure(plan, store), plan.recipe
    gains = compute_gains(measurements, 200, recipe.primary_comparisons)
    return summarise(recipe, measurements, gains, contrast_results(recipe.contrasts, measurements, 200))


def test_without_a_declaration_everything_is_exploratory_and_the_page_says_how_to_declare(tmp_path: Path) -> None:
    plan, store = stored(tmp_path, seeds=3)
    found = summary(plan, store)
    (answer,) = found.answers
    assert answer.lead.startswith(
        "nli (exploratory): lora-r4 · Sequential · snli looks best. Its zero-shot average is 68.3%, and it took "
    )
    report = write_report(plan, store, tmp_path / "out")
    for text in (report.html.read_text(), report.markdown()):
        assert text.index("the recipe declares no comparison") < text.index("nli (exploratory): ")
        assert "nli: use" not in text
        assert "Exploratory: the recipe does not declare these" in text
    assert 'difference("A rather than B", a, b)' in report.markdown()
    assert "All comparisons are exploratory" in report.main_latex.read_text()
    assert set(report.gains["standing"]) == {"exploratory"}
    assert report.metrics["primary_comparisons"] == 0
    assert {metrics["gain/nli/zero_shot_average/primary"] for metrics in report.variant_metrics.values()} == {0}
    assert "the one variant gains" in answer.details
    assert answer.details.startswith("On the zero-shot average, ")
    assert found.seeds == ""
    assert found.exploratory == ()
    # Three seeds of a baseline (22 seconds), an intermediate training (22) and a target training after it (24).
    assert found.cost == "9 trainings, 3 minutes in all, on cpu (2 threads)"


def test_declared_contrasts_are_the_answer_and_gains_are_exploratory(tmp_path: Path) -> None:
    plan, store = stored(tmp_path, seeds=3, contrasted=True)
    found = summary(plan, store)
    (answer,), (other,) = found.answers, found.exploratory
    assert answer.lead.startswith("SNLI rather than nothing: +")
    assert answer.lead.endswith("This is a gain.")
    assert other.lead.startswith("nli (exploratory): lora-r4 · Sequential · snli looks best. ")
    assert found.declaration == ""
    page = write_report(plan, store, tmp_path / "out").html.read_text()
    summed, _, below = page.partition('alt="Forest plot')
    assert (
        summed.index("Does it help?")
        < summed.index("SNLI rather than nothing: +")
        < summed.index("nli (exploratory): ")
    )
    assert "<summary>Exploratory: what the other comparisons show" in summed
    assert "<summary>Exploratory: each variant against its baseline" in below


def test_a_smoke_run_has_tables_and_no_conclusion(tmp_path: Path) -> None:
    plan, store = stored(tmp_path, seeds=3, contrasted=True, smoke=True)
    found = summary(plan, store)
    assert [answer.lead for answer in found.answers] == [SMOKE]
    assert found.exploratory == ()
    report = write_report(plan, store, tmp_path / "out")
    page, tables = report.html.read_text(), (tmp_path / "out" / "tables.md").read_text()
    assert "Smoke run: no conclusion" in page
    assert "Smoke run: no conclusion" in tables
    for text in (page, tables):
        assert "nli: use " not in text
        assert "looks best" not in text
        assert "the one variant gains" not in text
        assert "This is a gain" not in text
    assert "SNLI rather than nothing" in tables, "the contrast's row stays in its table"


def test_a_declared_average_is_the_answer_and_the_other_average_is_exploratory(tmp_path: Path) -> None:
    found = summary(*stored(tmp_path, seeds=3, primary=ZERO_SHOT))
    (answer,), (other,) = found.answers, found.exploratory
    assert answer.lead.startswith("nli: use lora-r4 · Sequential · snli. Its zero-shot average is ")
    assert "zero-shot average" in answer.details
    assert "source languages" not in answer.lead + answer.details
    assert "source languages (en)" in other.lead + other.details


def test_few_seeds_are_told_once_for_all_tasks(tmp_path: Path) -> None:
    found = summary(*stored(tmp_path, seeds=2))
    assert found.seeds.startswith("Each variant was trained with 2 seeds, so this compares these trained models")
    assert found.seeds not in found.answers[0].details
    assert found.answers[0].lead.startswith(
        "nli (exploratory): too few seeds to recommend a variant. The zero-shot average of lora-r4"
    )


@pytest.mark.parametrize(("seeds", "limit"), [(1, None), (3, None), (3, 100)])
def test_what_no_interval_covers_depends_on_seeds_and_drawn_rows(tmp_path: Path, seeds: int, limit: int | None) -> None:
    plan, store = stored(tmp_path, seeds, limit)
    said = uncovered(plan.recipe, compute_gains(measure(plan, store), 200))
    assert any(each.startswith("other languages (the 2 here are fixed)") for each in said)
    assert any(each.startswith("other hyper-parameters") for each in said)
    assert any(each.startswith("the choice of the best") for each in said)
    assert any(each.startswith("other seeds") for each in said) == (seeds < 3)
    # With a limit, the rows are drawn by the seed, so other seeds are other rows too.
    assert any(each.startswith("other training rows") for each in said) == (limit is None)
    assert uncovered(plan.recipe, []) == ()


# --- the lines at the end of a run


def test_a_run_ends_with_a_line_per_task_that_agrees_with_the_report(tmp_path: Path) -> None:
    plan, store = stored(tmp_path, seeds=3)
    (line,) = verdict_lines(plan, store)
    assert line.startswith("nli (exploratory), zero-shot average: the one variant gains; best: +")
    assert line.endswith("] points of accuracy with lora-r4 · Sequential · snli")
    (answer,) = summary(plan, store).answers
    assert line.partition(" [")[0].rpartition(" ")[2] in answer.details


def test_primary_contrasts_have_a_line_each_in_place_of_tasks(tmp_path: Path) -> None:
    plan, store = stored(tmp_path, seeds=3, contrasted=True)
    (line,) = verdict_lines(plan, store)
    assert line.startswith("SNLI rather than nothing: a gain, +")
    assert line.endswith("] points of accuracy")


def test_a_smoke_run_and_a_run_without_baselines_say_nothing_about_gains(tmp_path: Path) -> None:
    assert verdict_lines(*stored(tmp_path, seeds=1, smoke=True)) == []
    plan, store = stored(tmp_path / "other", seeds=1)
    alone = dataclasses.replace(plan.recipe, evaluations=plan.recipe.evaluations[:2])
    assert verdict_lines(make_plan(alone, Sources(tmp_path / "other" / "data")), store) == []
