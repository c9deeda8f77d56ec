"""Question answering: normalisers and the rules of SQuAD v1.1, v2.0 and MLQA, where they are easy to get wrong."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adaptx.errors import UserError
from adaptx.metrics import METRICS
from adaptx.metrics.answers import normalise, word_f1
from adaptx.metrics.mlqa import LANGUAGES, normaliser
from adaptx.metrics.squad_v2 import best_threshold


@pytest.mark.parametrize(
    ("text", "normalised"),
    [
        ("The  Cat, a\tmat.", "cat mat"),
        ("the-cat", "thecat"),
        ("“Le Monde”", "“le monde”"),
        ("İstanbul", "i̇stanbul"),
        ("an A-team anthem", "ateam anthem"),
        ("théa", "théa"),
    ],
)
def test_squad_normalises_ascii_punctuation_and_english_articles(text: str, normalised: str) -> None:
    assert normalise(text) == normalised


@pytest.mark.parametrize(
    ("language", "text", "normalised"),
    [
        ("en", "“The” Who", "who"),
        ("es", "¿El Niño y unas olas?", "niño y olas"),
        ("de", "einem dem Haus", "haus"),
        ("vi", "những cái gì", "gì"),
        ("ar", "والكتاب", "و كتاب"),
        ("hi", "राम॥ सीता।", "राम सीता"),
        ("zh", "中国2008年 The", "中 国 2008 年 the"),
        ("zh", "龦龧 ひら", "龦龧 ひら"),
    ],
)
def test_mlqa_normalises_by_language(language: str, text: str, normalised: str) -> None:
    assert normaliser(language)(text) == normalised


@settings(max_examples=50, deadline=None)
@given(st.text(), st.sampled_from(LANGUAGES))
def test_normalised_text_has_single_spaces_and_no_case(text: str, language: str) -> None:
    for rules in (normalise, normaliser(language)):
        once = rules(text)
        assert once == " ".join(once.split())
        assert not any(mark in once for mark in "!?.,;")


@settings(max_examples=50, deadline=None)
@given(st.text(), st.text())
def test_f1_is_symmetric(left: str, right: str) -> None:
    assert word_f1(left, [right], normalise) == pytest.approx(word_f1(right, [left], normalise))


def test_mlqa_names_the_languages_it_knows() -> None:
    with pytest.raises(UserError, match=r"'fr'.*ar, de, en, es, hi, vi, zh"):
        METRICS["mlqa_f1"].statistics(["x"], [["x"]], "fr")


def test_answers_without_words_match_exactly_and_have_an_f1_of_zero_in_v1() -> None:
    assert METRICS["exact_match"].score(["a"], [["the"]], "en") == 1.0
    assert METRICS["f1"].score(["a"], [["the"]], "en") == 0.0


@pytest.mark.parametrize("name", ["exact_match", "f1", "mlqa_exact_match", "mlqa_f1"])
def test_questions_without_golds_are_refused(name: str) -> None:
    with pytest.raises(UserError, match="squad_v2_f1"):
        METRICS[name].statistics(["x"], [[]], "en")


@pytest.mark.parametrize(
    ("text", "no_answer", "golds", "exact", "f1"),
    [
        ("cat", 0.5, ["cat"], 1.0, 1.0),
        ("cat", 0.51, ["cat"], 0.0, 0.0),
        ("cat", 0.51, [], 1.0, 1.0),
        ("cat", 0.49, [], 0.0, 0.0),
        ("", 0.0, [], 1.0, 1.0),
        ("the", 0.0, [], 1.0, 1.0),
        ("the black cat", 0.0, ["cat", "the"], 0.0, 2 / 3),
        ("a", 0.0, ["the", "cat"], 0.0, 0.0),
        ("a", 0.0, ["the"], 1.0, 1.0),
    ],
    ids=["at the threshold", "above", "above, rightly", "below, wrongly", "empty", "nothing left", "gold without words",
         "gold without words is no gold", "only golds without words"],
)  # fmt: skip
def test_squad_v2_takes_answers_back_above_the_threshold(text, no_answer, golds, exact, f1) -> None:
    answer = [{"text": text, "no_answer": no_answer}]
    assert METRICS["squad_v2_exact_match"].score(answer, [golds], "en") == exact
    assert METRICS["squad_v2_f1"].score(answer, [golds], "en") == pytest.approx(f1)


def test_the_best_threshold_admits_answers_from_the_surest_on() -> None:
    golds = {"a": ["x"], "b": [], "c": ["x"], "d": []}
    texts = {"a": "x", "b": "wrong", "c": "x", "d": ""}
    raw = {"a": 1.0, "b": 0.0, "c": 1.0, "d": 1.0}
    # Nothing answered: 2. Then +1 (a), -1 (b), +1 (c), and d, which answers nothing, changes nothing.
    order = [("d", 0.9), ("c", 0.3), ("b", 0.2), ("a", 0.1), ("unknown", 0.0)]
    assert best_threshold(raw, texts, order, golds) == (3.0, 0.1)
    assert best_threshold(raw, texts, [("a", 0.1), ("c", 0.3), ("b", 0.3)], golds) == (4.0, 0.3)
    # Of equal probabilities the order given decides what the sum passes through.
    assert best_threshold(raw, texts, [("b", 0.3), ("a", 0.3)], golds) == (2.0, 0.0)
