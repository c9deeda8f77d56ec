"""`adaptx score`: the official scorers' numbers, their stops, what a wrong file is told, and what --check finds."""

import copy
import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from adaptx.cli import app as cli
from adaptx.metrics.cases import SCORERS, CaseNode, compare, count_values, read_case, score_case, stops

CASES = sorted((Path(__file__).parent / "cases").glob("*.json"))
GOLDEN = Path(__file__).parents[2] / "shared" / "golden"
GOLDEN_NAMES = (
    "accuracy",
    "aggregate",
    "bucc",
    "bucc_duplicates",
    "lareqa",
    "lareqa_ap",
    "mewslix",
    "mlqa",
    "mlqa_edge",
    "squad_v1",
    "squad_v1_edge",
    "squad_v1_tydiqa",
    "squad_v2",
    "tagging_edge",
    "tagging_ner",
    "tagging_pos",
    "tatoeba",
)


class Ended(NamedTuple):
    status: int
    out: str
    err: str


@pytest.fixture
def score(capfd, monkeypatch, tmp_path):
    """`adaptx score` of a file, or of a case that is written to one."""

    def call(case: Path | dict[str, Any], *options: str) -> Ended:
        if isinstance(case, dict):
            (tmp_path / "case.json").write_text(json.dumps(case), encoding="utf-8")
            case = tmp_path / "case.json"
        monkeypatch.setattr(sys, "argv", ["adaptx", "score", str(case), *options])
        with pytest.raises(SystemExit) as end:
            cli.main()
        captured = capfd.readouterr()
        return Ended(int(end.value.code or 0), captured.out, captured.err)

    return call


def case(metric: str, inputs: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"metric": metric, "inputs": inputs, **more}


def scored(metric: str, inputs: dict[str, Any]) -> dict[str, Any]:
    return score_case(CaseNode(case(metric, inputs), ""))


def question_answering(golds: dict[str, Any], predictions: dict[str, Any], language: str = "en") -> dict[str, Any]:
    return {"languages": {language: {"golds": golds, "predictions": predictions}}}


# --- the official numbers


@pytest.mark.parametrize("file", CASES, ids=lambda file: file.stem)
def test_committed_cases_agree(score, file: Path) -> None:
    ended = score(file, "--check")
    assert ended.status == 0, ended.out
    assert ended.out.endswith("expected values agree\n")


@pytest.mark.parametrize("name", GOLDEN_NAMES)
def test_golden_cases_agree(score, name: str) -> None:
    file = GOLDEN / f"{name}.json"
    if not file.is_file():
        pytest.skip(f"the golden cases are not here ({file}); tests/cases has some of them")
    ended = score(file, "--check")
    assert ended.status == 0, ended.out


def test_no_golden_case_is_left_out() -> None:
    if not GOLDEN.is_dir():
        pytest.skip(f"the golden cases are not here ({GOLDEN})")
    assert {file.stem for file in GOLDEN.glob("*.json")} == set(GOLDEN_NAMES)


@pytest.mark.parametrize("file", CASES, ids=lambda file: file.stem)
def test_what_is_printed_has_the_keys_of_expected(score, file: Path) -> None:
    def missing(expected: Any, found: Any, place: str) -> list[str]:
        if not isinstance(expected, dict):
            return []
        gone = [f"{place}.{key}" for key in expected if key not in found]
        there = [key for key in expected if key in found]
        return gone + [each for key in there for each in missing(expected[key], found[key], f"{place}.{key}")]

    ended = score(file)
    expected = json.loads(file.read_text(encoding="utf-8"))["expected"]
    assert missing(expected, json.loads(ended.out), "") == []
    # Two of the files hold a case that an official script stops on.
    assert ended.status == (1 if file.stem in ("aggregate", "mewslix") else 0)


def leaves(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict) and "raises" not in value:
        return [leaf for key, inner in value.items() for leaf in leaves(inner, (*place, key))]
    if isinstance(value, list):
        return [leaf for key, inner in enumerate(value) for leaf in leaves(inner, (*place, key))]
    return [place] if isinstance(value, int | float) else []


@pytest.mark.parametrize("file", CASES, ids=lambda file: file.stem)
def test_every_changed_number_is_found(file: Path) -> None:
    opened = read_case(file)
    result, expected = score_case(opened), opened.value["expected"]
    places = leaves(expected)
    assert places
    for place in places[:: max(1, len(places) // 100)]:
        changed = copy.deepcopy(expected)
        inner = changed
        for key in place[:-1]:
            inner = inner[key]
        inner[place[-1]] += 1e-6
        told = compare(CaseNode({**opened.value, "expected": changed}, ""), result)
        assert len(told) == 1, place
        assert told[0].startswith(str(place[0]))
        assert "difference 1e-06" in told[0]


# --- stops of the official scripts


def test_a_stop_is_told_with_its_cause_and_the_other_numbers_are_printed(score) -> None:
    inputs = {"tasks": {"xnli": {"en": {"labels": [], "predictions": []}, "de": {"labels": [1], "predictions": [1]}}}}
    ended = score(case("accuracy", inputs))
    assert ended.status == 1
    assert json.loads(ended.out)["xnli"]["de"] == {"accuracy": 100.0}
    assert json.loads(ended.out)["xnli"]["en"]["raises"] == ["ZeroDivisionError", "float division by zero"]
    assert "xnli.en: the official script stops with ZeroDivisionError: there are no predictions" in ended.err


@pytest.mark.parametrize(
    ("expected", "status"),
    [
        ({"xnli": {"en": {"raises": ["ZeroDivisionError", "division by zero"]}}}, 0),
        ({"raises": ["ZeroDivisionError", "division by zero"]}, 0),
        ({"xnli": {"en": {"raises": ["KeyError", "'x'"]}}}, 1),
        ({"xnli": {"en": {"accuracy": 0.0}}}, 1),
    ],
    ids=["expected", "expected of the whole", "another kind", "numbers expected"],
)
def test_check_knows_expected_stops(score, expected: dict[str, Any], status: int) -> None:
    inputs = {"tasks": {"xnli": {"en": {"labels": [], "predictions": []}}}}
    ended = score(case("accuracy", inputs, expected=expected), "--check")
    assert ended.status == status
    assert ("ZeroDivisionError" in ended.out) == (status == 1)


def test_a_stop_that_does_not_come_is_a_difference(score) -> None:
    inputs = {"tasks": {"xnli": {"en": {"labels": [1], "predictions": [1]}}}}
    ended = score(case("accuracy", inputs, expected={"xnli": {"en": {"raises": ["KeyError", ""]}}}), "--check")
    assert ended.status == 1
    assert "expected the official script to stop with KeyError, but there are numbers" in ended.out


BUCC_STOP = {
    f"{side}_{name}": value
    for side in ("src", "trg")
    for name, value in (
        ("sentences", [f"{side} one", f"{side} two"]),
        ("ids", [f"{side}-1", f"{side}-2"]),
        ("embeddings", [[1.0, 0.1], [0.1, 1.0]]),
    )
} | {"gold": [["src-1", "trg-1"], ["src-2", "trg-2"]]}

STOPS = {
    "accuracy of unequal lists": (
        "accuracy",
        {"tasks": {"t": {"en": {"labels": [1, 2], "predictions": [1]}}}},
        "AssertionError",
    ),
    "squad_v1 without questions": ("squad_v1", question_answering({}, {}), "ZeroDivisionError"),
    "squad_v1 without golds": ("squad_v1", question_answering({"a": []}, {"a": "x"}), "ValueError"),
    "mlqa in an unknown language": ("mlqa", question_answering({"a": ["x"]}, {"a": "x"}, "fr"), "Exception"),
    "squad_v2 without a prediction": (
        "squad_v2",
        {"golds": {"a": ["x"], "b": ["y"]}, "predictions": {"p": {"a": "x"}}, "cases": {"c": {"predictions": "p"}}},
        "KeyError",
    ),
    "squad_v2 without a probability": (
        "squad_v2",
        {
            "golds": {"a": ["x"]},
            "predictions": {"p": {"a": "x"}},
            "na_probs": {"n": {}},
            "cases": {"c": {"predictions": "p", "na_probs": "n"}},
        },
        "KeyError",
    ),
    "squad_v2 without anything": (
        "squad_v2",
        {"golds": {}, "predictions": {"p": {}}, "cases": {"c": {"predictions": "p"}}},
        "ZeroDivisionError",
    ),
    "seqeval 1.2.2 without sentences": (
        "tagging_ner",
        {"languages": {"en": {"labels": [], "predictions": []}}},
        "TypeError",
    ),
    "tags of unequal sentences": (
        "tagging_pos",
        {"languages": {"en": {"labels": [["X", "X"]], "predictions": [["X"]]}}},
        "ValueError",
    ),
    "an empty tag": ("tagging_edge", {"languages": {"en": {"labels": [[""]], "predictions": [["O"]]}}}, "IndexError"),
    "bucc whose best threshold is below all": (
        "bucc",
        {"pairs": {"xx-en": {"dev": BUCC_STOP, "test": BUCC_STOP}}},
        "IndexError",
    ),
    "a ranking without targets": (
        "lareqa_ap",
        {"cases": {"a": {"targets": [], "ranked": [1], "k": None}}},
        "ZeroDivisionError",
    ),
    "lareqa without the answer in the pool": (
        "lareqa",
        {
            "k": [20],
            "questions": [{"uid": "q", "xling_id": "x", "language": "en", "encoding": [1.0]}],
            "candidates": [{"uid": "c", "xling_ids": [], "language": "en", "encoding": [1.0]}],
            "pools": {"p": {"question_languages": ["en"], "candidate_languages": ["en"]}},
        },
        "ZeroDivisionError",
    ),
    "mewslix without a gold": ("mewslix", question_answering({"m": []}, {"m": ["Q1"]}), "IndexError"),
    "mewslix without all languages": ("mewslix", question_answering({"m": ["Q1"]}, {"m": ["Q1"]}), "FileNotFoundError"),
    "an aggregate without a language": (
        "aggregate",
        {
            "tables": {"t": {"xnli": {"en": {"accuracy": 1}}}},
            "cases": {"c": {"xtreme_version": "xtreme", "table": "t"}},
        },
        "FileNotFoundError",
    ),
}


@pytest.mark.parametrize(("metric", "inputs", "kind"), STOPS.values(), ids=STOPS)
def test_scorers_stop_where_the_official_ones_do(metric: str, inputs: dict[str, Any], kind: str) -> None:
    assert kind in {kind for _, kind, _ in stops(scored(metric, inputs))}


# --- layouts with embeddings, on cases small enough to follow by hand


def test_tatoeba_searches_by_distance_and_by_cosine() -> None:
    # The query (2, 2) is nearest to (3, 1) by distance and has the direction of (9, 9).
    inputs = {"cases": {"c": {"x": [[3, 1], [9, 9]], "y": [[2, 2]], "labels": [1]}}}
    found = scored("tatoeba", inputs)["c"]
    assert found == {
        "l2": {"accuracy": 0.0, "predictions": [0]},
        "cosine": {"accuracy": 100.0, "predictions": [1]},
    }


def test_tatoeba_takes_the_first_of_equal_rows() -> None:
    inputs = {"cases": {"c": {"x": [[0, 1], [1, 0], [1, 0]], "y": [[1, 0]], "labels": [1]}}}
    assert scored("tatoeba", inputs)["c"]["l2"]["predictions"] == [1]


def test_lareqa_ranks_by_dot_product_inside_the_pool() -> None:
    def candidate(uid: str, language: str, encoding: list[float], *answers: str) -> dict[str, Any]:
        return {"uid": uid, "language": language, "encoding": encoding, "xling_ids": list(answers)}

    inputs = {
        "k": [1, None],
        "questions": [{"uid": "a_en", "xling_id": "a", "language": "en", "encoding": [1.0, 0.0]}],
        "candidates": [
            candidate("1", "en", [1.0, 0.0], "a"),
            candidate("2", "en", [5.0, 5.0]),
            candidate("3", "de", [0.5, 0.0], "a"),
        ],
        "pools": {
            "en_to_en": {"question_languages": ["en"], "candidate_languages": ["en"]},
            "en_to_all": {"question_languages": ["en"], "candidate_languages": ["en", "de"]},
        },
    }
    found = scored("lareqa", inputs)
    assert found["en_to_en"] == {"map@1": 0.0, "per_question_ap@1": {"a_en": 0.0}, "map": 0.5}
    assert found["en_to_all"]["map"] == pytest.approx((1 / 2 + 2 / 3) / 2)


def bucc_split(repeated: bool) -> dict[str, Any]:
    """Three parallel sentences, and a pair that is mined but no gold; the first sentence perhaps repeated."""
    split: dict[str, Any] = {"gold": [["src-0", "trg-0"], ["src-1", "trg-1"], ["src-2", "trg-2"]]}
    split["src_embeddings"] = [[9, 1, 1, 1], [1, 9, 1, 1], [1, 1, 9, 1], [1, 1, 1, 9]]
    split["trg_embeddings"] = [[9, 1, 2, 1], [1, 9, 1, 2], [2, 1, 9, 1], [3, 3, 3, 6]]
    for side in ("src", "trg"):
        split[f"{side}_sentences"] = [f"{side} {number}" for number in range(4)]
        split[f"{side}_ids"] = [f"{side}-{number}" for number in range(4)]
    if repeated:
        split["src_sentences"].append("src 0 ")
        split["src_ids"].append("src-4")
        split["src_embeddings"].append([9, 1, 1, 1])
    return split


def test_bucc_conventions_differ_in_repeated_sentences_alone() -> None:
    plain = scored("bucc", {"pairs": {"p": {"dev": bucc_split(False), "test": bucc_split(False)}}})["p"]
    assert plain["xtreme"]["dev"]["candidates"] == plain["jiant"]["dev"]["candidates"]
    assert plain["xtreme"]["dev"]["recall"] == 100 * plain["jiant"]["dev"]["recall"] == 100.0
    repeated = scored("bucc", {"pairs": {"p": {"dev": bucc_split(False), "test": bucc_split(True)}}})["p"]
    pairs = {name: {tuple(row[:2]) for row in repeated[name]["test"]["candidates"]} for name in ("xtreme", "jiant")}
    assert ("src-0", "trg-0") not in pairs["xtreme"]
    assert {("src-0", "trg-0"), ("src-4", "trg-0")} <= pairs["jiant"]


def test_bucc_without_gold_pairs_finds_nothing() -> None:
    split = bucc_split(False) | {"gold": []}
    found = scored("bucc", {"pairs": {"p": {"dev": split, "test": split}}})["p"]["xtreme"]
    assert (found["dev"]["best-threshold"], found["dev"]["F1"], found["test"]["f1"]) == (0.0, 0.0, 0.0)


# --- files that are no cases


def test_unknown_metrics_list_near_ones(score) -> None:
    ended = score(case("squad_v3", {}))
    assert ended.status == 2
    assert all(name in ended.err for name in ("'squad_v3'", "squad_v1", "squad_v2"))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"metric": "squad_v1"}, "lacks `inputs`: it holds metric"),
        ({"inputs": {}}, "lacks `metric`: it holds inputs"),
        (case("squad_v1", {"languages": {"en": {"golds": {}}}}), "`inputs.languages.en.predictions`: "),
        (
            case("squad_v1", question_answering({"a": "x"}, {})),
            "a list at `inputs.languages.en.golds.a`, but has a text",
        ),
        (case("squad_v1", question_answering({"a": ["x"]}, {"a": None})), "has null"),
        (case("squad_v1", {"languages": []}), "an object at `inputs.languages`, but has a list"),
        (
            case("accuracy", {"tasks": {"t": {"en": {"labels": [1.5], "predictions": [1]}}}}),
            "labels[0]`, but has a number",
        ),
        (case("tatoeba", {"cases": {"c": {"x": [[1], [1, 2]], "y": [], "labels": []}}}), "all of the same length"),
        (case("tatoeba", {"cases": {"c": {"x": [[1]], "y": [[1, 2]], "labels": [0]}}}), "have the same length"),
        (
            case("aggregate", {"tables": {"t": {}}, "cases": {"c": {"xtreme_version": "xtreme-x", "table": "t"}}}),
            "'xtreme-x'; write one of xtreme, xtreme-r",
        ),
        (
            case("bucc", {"options": {"margin": "distance"}, "pairs": {}}),
            "`inputs.options.margin` is 'distance', but only 'ratio'",
        ),
        (
            case("bucc", {"pairs": {"p": {"dev": {**bucc_split(False), "src_ids": ["one"]}, "test": {}}}}),
            "4 src_sentences, 1 src_ids and 4 src_embeddings",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_missing_or_wrong_is_named(score, content: dict[str, Any], told: str) -> None:
    ended = score(content)
    assert ended.status == 2
    assert told in " ".join(ended.err.split())
    assert ended.out == ""


def test_check_needs_expected_values(score) -> None:
    ended = score(case("squad_v1", question_answering({"a": ["x"]}, {"a": "x"})), "--check")
    assert ended.status == 2
    assert "lacks `expected`" in ended.err


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff"], ids=["broken", "a list", "no UTF-8"])
def test_files_that_are_no_json_objects(score, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "broken.json"
    file.write_bytes(content)
    ended = score(file)
    assert ended.status == 2
    assert "broken.json" in ended.err


def test_files_that_are_not_there(score, tmp_path: Path) -> None:
    assert "there is no case file" in score(tmp_path / "nothing.json").err
    assert "is a folder" in score(tmp_path).err


# --- comparing


def told(metric: str, inputs: dict[str, Any], expected: Any) -> list[str]:
    opened = CaseNode(case(metric, inputs, expected=expected), "")
    return compare(opened, score_case(opened))


def test_check_finds_values_that_are_missing_or_left_over() -> None:
    inputs = question_answering({"a": ["x"], "b": ["x"]}, {"a": "x"})
    assert told("squad_v1", inputs, {"en": {"f1": 50.0}}) == []
    assert told("squad_v1", inputs, {"de": {"f1": 50.0}}) == ["de: expected {'f1': 50.0}, but there is no such value"]
    assert "en.recall" in told("squad_v1", inputs, {"en": {"recall": 50.0}})[0]
    assert "en.per_question.a" in told("squad_v1", inputs, {"en": {"per_question": {}}})[0]
    assert "en.per_question.b" in told("squad_v1", inputs, {"en": {"per_question": {"a": [1, 1], "b": [0, 0]}}})[0]
    assert "expected 3 elements" in told("squad_v1", inputs, {"en": {"per_question": {"a": [1, 1, 1]}}})[0]
    assert "expected an object" in told("squad_v1", inputs, {"en": {"f1": {"mean": 1}}})[0]


def test_candidates_are_compared_in_any_order_within_the_tolerance_of_embeddings() -> None:
    inputs = {"pairs": {"p": {"dev": bucc_split(False), "test": bucc_split(False)}}}
    found = scored("bucc", inputs)["p"]["xtreme"]["dev"]
    rows = [[left, right, margin + 1e-5] for left, right, margin in reversed(found["candidates"])]
    assert told("bucc", inputs, {"p": {"xtreme": {"dev": {"candidates": rows, "F1": found["F1"]}}}}) == []
    rows[0][2] += 1e-4
    assert len(told("bucc", inputs, {"p": {"xtreme": {"dev": {"candidates": rows}}}})) == 1
    assert len(told("bucc", inputs, {"p": {"xtreme": {"dev": {"candidates": found["candidates"][1:]}}}})) == 1
    assert len(told("bucc", inputs, {"p": {"xtreme": {"dev": {"F1": found["F1"] + 1e-6}}}})) == 1


def test_values_are_counted_and_all_metrics_have_cases() -> None:
    assert count_values({"a": [1, {"b": 2}], "c": {"raises": ["KeyError", "x"]}}) == 3
    assert {read_case(file)["metric"].text() for file in CASES} <= set(SCORERS)
