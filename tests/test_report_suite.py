"""The suite's table over a store made by hand: rows across tasks, averages, and what is not there."""

import csv
import dataclasses
import io
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest
from rich.console import Console
from support.fake_store import everywhere, fake_mirror, fake_model, fill, planned, train

from adaptx.catalog import SNLI, XTREME, XTREME_R
from adaptx.metrics.suites import OFFICIAL_SUITES, aggregate
from adaptx.planning.plan import Plan
from adaptx.report import write_report
from adaptx.report.results.measured import Measurements, measure
from adaptx.report.results.suites import SuiteRow, average, counted
from adaptx.report.tables.suites import SuiteResult, suite_results
from adaptx.report.tables.table import WIDEST
from adaptx.sources.sources import Sources
from adaptx.specs import (
    Bitext,
    Bottleneck,
    Classification,
    Evaluate,
    Group,
    Lora,
    Mixture,
    ModelSpec,
    QuestionAnswering,
    Rows,
    Sequential,
    Suite,
    Tagging,
    Task,
    TaskFormat,
)
from adaptx.store.store import Store

pytestmark = pytest.mark.usefixtures("plans_with_adapters")

LANGUAGES = ("en", "de", "sw", "zh")


def made_task(name: str, task_format: TaskFormat, metrics: Sequence[str], train: str | None = None) -> Task:
    """A task in four languages; `train` names its English training set."""

    def rows(address: str, language: str) -> Rows:
        # The made files have no such column, so the report does not compare their rows by content.
        return Rows("made/sets", address, "test", language, (("text", "absent"),), expected=60)

    return Task(
        name,
        task_format,
        train=(rows(train, "en"),) if train else (),
        evaluation=tuple(rows(f"{name}.{language}", language) for language in LANGUAGES),
        metrics=tuple(metrics),
    )


PAIRS = made_task("pairs", Classification(("yes", "no")), ["accuracy"], "pairs")
NER = made_task("ner", Tagging(("O", "B-PER", "I-PER", "B-LOC")), ["entity_f1"], "ner")
QA = made_task("qa", QuestionAnswering(), ["f1", "exact_match"], "squad")
QA2 = made_task("qa2", QuestionAnswering(), ["f1", "exact_match"], "squad")
MINED = made_task("mined", Bitext(), ["accuracy"])
ABSENT = made_task("absent", Bitext(), ["accuracy"])
SUITE = Suite(
    "GLUEX",
    (
        Group("pair sentence", (PAIRS,)),
        Group("structured prediction", (NER,)),
        Group("question answering", (QA, QA2)),
        Group("sentence retrieval", (MINED,)),
    ),
)
OFFICIAL_SCORES = {"exact_match": "exact_match", "map_at_20": "map@20", "accuracy": "accuracy", "f1": "f1"}
"""How our metrics end -> the official script's name."""
LORA, BOTTLENECK = Lora(rank=4), Bottleneck()
BASELINE, SEQUENTIAL = "lora-r4 · baseline", "lora-r4 · Sequential · snli"


@pytest.fixture
def model(tmp_path: Path) -> ModelSpec:
    return fake_model(tmp_path / "tiny-bert")


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    return Sources(fake_mirror(tmp_path / "data", SNLI, PAIRS, NER, QA, QA2, MINED, ABSENT))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def some_languages(model, task: Task) -> list[Evaluate]:
    """All of a task's languages, but of NER two and of the second set of questions English alone."""
    used = {"ner": ("en", "sw"), "qa2": ("en",)}.get(task.name, task.languages)
    return [Evaluate(model, task, language) for language in used]


def grid(
    model: ModelSpec, sources: Sources, suite: Suite = SUITE, tasks: Sequence[Task] = (PAIRS, NER, QA, QA2)
) -> Plan:
    snli = train(model, SNLI, LORA)
    return planned(
        sources,
        *(some_languages(train(model, task, LORA), task) for task in tasks),
        *(some_languages(train(model, task, LORA, Sequential(snli)), task) for task in tasks),
        everywhere(model, MINED),
        everywhere(snli, MINED),
        suites=(suite,),
    )


def filled(plan: Plan, store: Store, sources: Sources, **fields) -> Measurements:
    fill(plan, store, sources, {"": 0.5, "Sequential": 0.15, "no target": 0.2}, **fields)
    return measure(plan, store)


def row_of(result: SuiteResult, label: str) -> SuiteRow:
    (row,) = [row for row in result.rows if row.label == label]
    return row


def value(result: SuiteResult, label: str, kind: str, name: str, metric: str = "mean", key: str = "value"):
    (record,) = [
        record
        for record in result.records()
        if (record["variant"], record["kind"], record["name"], record["metric"]) == (label, kind, name, metric)
    ]
    return record[key]


def share(measurements: Measurements, label: str, task: str, metric: str, languages: Sequence[str]) -> float:
    (variant,) = [variant for variant in measurements.variants(task) if variant.label == label]
    return fmean(variant.languages[language].scores[metric] for language in languages)


def test_rows_join_tasks_and_averages_are_the_official_ones(model, sources, store) -> None:
    measurements = filled(grid(model, sources), store, sources)
    (result,) = suite_results((SUITE,), measurements)
    assert [row.label for row in result.rows] == [BASELINE, SEQUENTIAL]
    for label, unlabelled in ((BASELINE, "untrained"), (SEQUENTIAL, "lora-r4 · no target training · snli")):
        pairs = share(measurements, label, "pairs", "accuracy", LANGUAGES)
        ner = share(measurements, label, "ner", "entity_f1", ("en", "sw"))
        mined = share(measurements, unlabelled, "mined", "accuracy", LANGUAGES)
        answers = {
            (task, metric): share(measurements, label, task, metric, LANGUAGES if task == "qa" else ("en",))
            for task in ("qa", "qa2")
            for metric in ("f1", "exact_match")
        }
        questions = {task: (answers[task, "f1"] + answers[task, "exact_match"]) / 2 for task in ("qa", "qa2")}
        assert value(result, label, "task", "qa", "f1") == pytest.approx(answers["qa", "f1"])
        assert value(result, label, "task", "qa") == pytest.approx(questions["qa"])
        assert value(result, label, "task", "mined", "accuracy") == pytest.approx(mined)
        assert value(result, label, "group", "question answering") == pytest.approx(fmean(questions.values()))
        assert value(result, label, "suite", "GLUEX") == pytest.approx(fmean([pairs, ner, *questions.values(), mined]))
    assert answers["qa", "f1"] > answers["qa", "exact_match"]


def test_the_zero_shot_average_leaves_english_out_and_is_strict(model, sources, store) -> None:
    measurements = filled(grid(model, sources), store, sources)
    (result,) = suite_results((SUITE,), measurements)
    others = share(measurements, BASELINE, "pairs", "accuracy", LANGUAGES[1:])
    assert value(result, BASELINE, "task", "pairs", "accuracy", "zero_shot_value") == pytest.approx(others)
    assert value(result, BASELINE, "task", "qa2", "f1", "zero_shot_value") is None, "measured in English alone"
    assert value(result, BASELINE, "group", "question answering", key="zero_shot_value") is None
    assert value(result, BASELINE, "suite", "GLUEX", key="zero_shot_value") is None


def test_a_missing_task_is_a_dash_and_leaves_the_averages_out(model, sources, store) -> None:
    whole = Suite("GLUEX", (*SUITE.groups[:3], Group("sentence retrieval", (MINED, ABSENT))))
    measurements = filled(grid(model, sources, whole), store, sources)
    (result,) = suite_results((whole,), measurements)
    assert value(result, BASELINE, "suite", "GLUEX") is None
    assert value(result, BASELINE, "group", "sentence retrieval") is None
    (table,) = result.tables(500)
    headers = [column.header for column in table.columns]
    assert "absent\nacc.\n0/4" in headers
    assert headers[1] == "average\nof 5/6\ntasks"
    assert {row[headers.index("absent\nacc.\n0/4")].text for row in table.rows} == {"–"}
    assert [column.header for column in table.columns if column.group == "sentence retrieval"] == headers[-2:]
    assert "Not measured here: absent. There is thus no average of the suite or of sentence retrieval." in table.caption


def test_a_row_without_a_task_says_so(model, sources, store) -> None:
    plan = planned(
        sources,
        everywhere(train(model, PAIRS, LORA), PAIRS),
        everywhere(train(model, NER, LORA), NER),
        everywhere(train(model, PAIRS, BOTTLENECK), PAIRS),
        everywhere(model, MINED),
    )
    (result,) = suite_results((SUITE,), filled(plan, store, sources))
    bottleneck = row_of(result, "bottleneck-f16 · baseline")
    assert set(bottleneck.scores) == {"pairs", "mined"}, "the untrained checkpoint is in every baseline's row"
    (table,) = result.tables(500)
    assert table.rows[0][1].text != "–"
    assert table.rows[1][1].text == "–"
    assert "bottleneck-f16 · baseline: not measured on ner." in table.caption


def test_an_intermediate_without_targets_has_a_row_of_its_own(model, sources, store) -> None:
    alone = planned(sources, everywhere(model, MINED), everywhere(train(model, SNLI, LORA), MINED))
    (result,) = suite_results((SUITE,), filled(alone, store, sources))
    assert [row.label for row in result.rows] == ["untrained", "lora-r4 · no target training · snli"]


def test_two_variants_of_one_label_stay_apart(model, sources, store) -> None:
    plan = planned(
        sources,
        *(everywhere(train(model, PAIRS, LORA, learning_rate=rate), PAIRS) for rate in (1e-3, 1e-4)),
        everywhere(train(model, NER, LORA), NER),
    )
    (result,) = suite_results((SUITE,), filled(plan, store, sources))
    assert [(row.label, sorted(row.scores)) for row in result.rows] == [
        ("lora-r4 · baseline · learning_rate 0.001", ["pairs"]),
        ("lora-r4 · baseline · learning_rate 0.0001", ["pairs"]),
        (BASELINE, ["ner"]),
    ]


def test_a_mixture_is_one_row_whatever_target_is_measured(model, sources, store) -> None:
    both = train(model, Mixture((PAIRS, NER), label="both"), LORA)
    plan = planned(
        sources,
        everywhere(train(model, PAIRS, LORA), PAIRS),
        everywhere(both, PAIRS),
        everywhere(both, NER),
        everywhere(both, MINED),
    )
    (result,) = suite_results((SUITE,), filled(plan, store, sources))
    assert [(row.label, row.is_baseline, sorted(row.scores)) for row in result.rows] == [
        (BASELINE, True, ["pairs"]),
        ("lora-r4 · Mixture · both", False, ["mined", "ner", "pairs"]),
    ]


def test_a_task_of_another_name_counts_where_it_scores_the_same_rows(model, sources, store) -> None:
    more = dataclasses.replace(PAIRS, name="pairs_more", evaluation=(*PAIRS.evaluation[:2], *NER.evaluation[2:]))
    plan = planned(sources, everywhere(train(model, more, LORA), more))
    (result,) = suite_results((SUITE,), filled(plan, store, sources))
    assert [row.languages(PAIRS) for row in result.rows] == [("en", "de")]


@pytest.mark.parametrize("suite", [XTREME, XTREME_R], ids=lambda suite: suite.name)
def test_averages_of_a_whole_suite_are_those_of_the_official_script(suite: Suite) -> None:
    generator = np.random.default_rng(5)
    row = SuiteRow(label="made", model="model", method="full", intermediate="none", is_baseline=True)
    official = OFFICIAL_SUITES[suite.name]
    own_names = {"bucc2018": "bucc", "udpos": "udpos_r", "panx": "wikiann", "xquad": "xquad_12", "tatoeba": "tatoeba_r"}
    tasks = {task.name: task for task in suite.tasks}
    table: dict[str, dict[str, dict[str, float]]] = {}
    for name in official.languages:
        task = tasks.get(name) or tasks[own_names[name]]
        row.scores[task.name] = {m: {lang: generator.random() for lang in task.languages} for m in counted(task)}
        short = {metric: next(end for end in OFFICIAL_SCORES if metric.endswith(end)) for metric in counted(task)}
        if official.languages[name]:
            assert set(official.languages[name]) == set(task.languages)
            table[name] = {
                lang: {OFFICIAL_SCORES[end]: row.scores[task.name][metric][lang] for metric, end in short.items()}
                for lang in task.languages
            }
    expected = aggregate(official, table).overall
    for group in suite.groups:
        if "lareqa" not in [task.name for task in group.tasks]:
            assert average(row, group.tasks) == pytest.approx(expected[group.name])
    if suite is XTREME:
        assert average(row, suite.tasks) == pytest.approx(expected["all_task"])


def test_seeds_are_averaged_over_the_languages_all_have(model, sources, store) -> None:
    plan = planned(
        sources,
        everywhere(train(model, PAIRS, LORA), PAIRS),
        [Evaluate(train(model, PAIRS, LORA, seed=2), PAIRS, language) for language in ("en", "zh")],
    )
    measurements = filled(plan, store, sources)
    (result,) = suite_results((SUITE,), measurements)
    (row,) = result.rows
    assert row.languages(PAIRS) == ("en", "zh")
    seeds = [v.languages["zh"].scores["accuracy"] for v in measurements.variants("pairs")]
    assert row.scores["pairs"]["accuracy"]["zh"] == pytest.approx(fmean(seeds))


def test_rows_in_different_languages_show_how_many(model, sources, store) -> None:
    few = [Evaluate(train(model, PAIRS, BOTTLENECK), PAIRS, language) for language in ("en", "de")]
    plan = planned(sources, everywhere(train(model, PAIRS, LORA), PAIRS), few)
    (result,) = suite_results((SUITE,), filled(plan, store, sources))
    (table,) = result.tables(500)
    place = [column.header for column in table.columns].index("pairs\nacc.\nof 4")
    assert [row[place].text.split(" ")[1] for row in table.rows] == ["(4)", "(2)"]


def test_few_shot_languages_are_told(model, sources, store) -> None:
    few = dataclasses.replace(PAIRS, train=(*PAIRS.train, PAIRS.rows_in("sw")))
    plan = planned(sources, everywhere(train(model, few, LORA), few))
    (result,) = suite_results((SUITE,), filled(plan, store, sources))
    assert (
        f"{BASELINE} is not zero-shot in all languages: it is trained on pairs in Swahili."
        in result.tables(500)[0].caption
    )


def test_report_prints_the_suite_in_every_form(model, sources, store, tmp_path) -> None:
    plan = grid(model, sources)
    filled(plan, store, sources)
    report = write_report(plan, store, tmp_path / "out")
    title = "GLUEX · suite, %"
    drawn = [table for table in report.tables if table.title == title]
    assert len(drawn) == 1
    console = Console(width=120, record=True, file=io.StringIO())
    report.print(console)
    printed = console.export_text()
    assert max(map(len, printed.splitlines())) <= 120
    for said in ("structured", "2/4", "F1 / EM", SEQUENTIAL):
        assert said in printed, said
    assert "question answering qa F1 / EM 4/4" in report.markdown()
    page = report.html.read_text()
    assert '<th colspan="3">question answering</th>' in page
    assert report.suites_csv in report.files
    records = list(csv.DictReader(report.suites_csv.read_text().splitlines()))
    assert {record["name"] for record in records} >= {"pairs", "question answering", "GLUEX"}
    assert {r["languages_used"] for r in records if r["name"] == "ner"} == {"2"}


def test_groups_stand_below_one_another_where_the_table_is_too_wide(model, sources, store) -> None:
    (result,) = suite_results((SUITE,), filled(grid(model, sources), store, sources))
    (whole,), parts = result.tables(WIDEST), result.tables(75)
    assert len(parts) > 1
    assert all(part.width <= 75 for part in parts)
    assert [column for part in parts for column in part.columns[1:]] == list(whole.columns[1:])
    assert [part.columns[0].header for part in parts] == ["variant"] * len(parts)
    assert [bool(part.caption) for part in parts] == [False] * (len(parts) - 1) + [True]


def test_a_recipe_without_a_suite_has_no_suite_file(model, sources, store, tmp_path) -> None:
    plan = planned(sources, everywhere(train(model, PAIRS, LORA), PAIRS))
    filled(plan, store, sources)
    report = write_report(plan, store, tmp_path / "out")
    assert report.suites_csv is None
    assert not (tmp_path / "out" / "suites.csv").exists()
