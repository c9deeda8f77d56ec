"""Rankings, masked tokens, suite aggregates and the zero-shot average."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adaptx.errors import UserError
from adaptx.metrics import METRICS
from adaptx.metrics.official import OfficialStop
from adaptx.metrics.ranking import average_precision
from adaptx.metrics.suites import OFFICIAL_SUITES, XTREME, XTREME_R, aggregate


def test_average_precision_by_hand() -> None:
    assert average_precision(["a", "b"], ["a", "x", "b"], None) == (1 + 2 / 3) / 2
    assert average_precision(["a", "b"], ["a", "x", "b"], 2) == 1 / 2
    # A repeated item counts once; and one of three relevant items is all that fits in a cut of one.
    assert average_precision(["a", "b"], ["a", "a", "b"], None) == (1 + 2 / 3) / 2
    assert average_precision(["a", "b", "c"], ["b"], 1) == 1.0


def test_only_twenty_ranks_count() -> None:
    others = [f"x{rank}" for rank in range(19)]
    assert METRICS["map_at_20"].score([[*others, "a"]], [["a"]], "en") == 1 / 20
    assert METRICS["map_at_20"].score([[*others, "y", "a"]], [["a"]], "en") == 0.0
    assert METRICS["mewslix_map_at_20"].score([[*others, "a"]], [["a"]], "en") == 1 / 20
    assert METRICS["mewslix_map_at_20"].score([[*others, "y", "a"]], [["a"]], "en") == 0.0


def test_mewslix_reads_the_first_gold_alone() -> None:
    assert METRICS["mewslix_map_at_20"].score([["b", "a"]], [[" a\n", "b"]], "en") == 1 / 2
    assert METRICS["map_at_20"].score([["b", "a"]], [["a", "b"]], "en") == 1.0


@pytest.mark.parametrize("name", ["map_at_20", "mewslix_map_at_20"])
def test_queries_without_golds_are_refused(name: str) -> None:
    with pytest.raises(UserError, match=r"relevant|gold"):
        METRICS[name].statistics([["a"]], [[]], "en")


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 30), unique=True, max_size=30), st.integers(0, 30))
def test_average_precision_of_one_relevant_item_is_its_reciprocal_rank(ranked: list[int], gold: int) -> None:
    expected = 1 / (ranked.index(gold) + 1) if gold in ranked else 0.0
    assert average_precision([gold], ranked, None) == expected


def test_masked_accuracy_is_over_tokens_not_rows() -> None:
    assert METRICS["masked_accuracy"].score([[1, 1], [0, 3]], [None, None], "en") == 1 / 4


# --- suites


def table(suite, value: float = 50.0):
    scores = {"exact_match": value, "f1": value + 10}
    return {
        task: {language: scores if task in suite.question_answering else {"accuracy": value} for language in languages}
        for task, languages in suite.languages.items()
    }


@pytest.mark.parametrize("suite", OFFICIAL_SUITES.values(), ids=OFFICIAL_SUITES)
def test_groups_hold_tasks_of_the_suite(suite) -> None:
    grouped = {task for members in suite.groups.values() for task in members}
    assert grouped == set(suite.languages) - {"lareqa"}
    assert set(suite.question_answering) <= set(suite.languages)
    assert all(len(set(languages)) == len(languages) for languages in suite.languages.values())


def test_question_answering_counts_the_mean_of_exact_match_and_f1() -> None:
    found = aggregate(XTREME, table(XTREME))
    assert found.tasks["xquad"] == {"avg_exact_match": 50.0, "avg_f1": 60.0, "avg_metric": 55.0}
    assert found.overall["qa"] == 55.0
    assert found.overall["classification"] == 50.0
    assert found.overall["all_task"] == pytest.approx((6 * 50 + 3 * 55) / 9)


def test_a_missing_task_takes_its_groups_and_the_overall_average_away() -> None:
    scores = table(XTREME)
    del scores["bucc2018"]
    assert set(aggregate(XTREME, scores).overall) == {"classification", "tagging", "qa"}


def test_xtreme_r_has_an_overall_average_only_where_the_script_stops() -> None:
    scores = table(XTREME_R)
    with pytest.raises(OfficialStop, match="lareqa") as stop:
        aggregate(XTREME_R, scores)
    assert stop.value.kind == "KeyError"
    del scores["lareqa"]
    assert "all_task" not in aggregate(XTREME_R, scores).overall


def test_a_missing_language_or_score_stops_the_script() -> None:
    with pytest.raises(OfficialStop, match="xnli has no scores in 'ar'"):
        aggregate(XTREME, {"xnli": {"en": {"accuracy": 1.0}}})
    with pytest.raises(OfficialStop, match="avg_f1"):
        aggregate(XTREME, {"mlqa": {language: {"exact_match": 1.0} for language in XTREME.languages["mlqa"]}})
