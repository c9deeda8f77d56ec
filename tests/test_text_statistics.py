"""Tokens per word, unknown and truncated shares."""

from types import SimpleNamespace

import pytest

from adaptx.backbones.batching import Encoding
from adaptx.evaluation.text_statistics import num_words, text_statistics

TOKENIZER = SimpleNamespace(all_special_ids=[0, 1, 2, 3], unk_token_id=3)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", 0),
        ("... !?", 0),
        ("Two words", 2),
        ("Two  words, and\nthree more.", 5),
        ("Größe 12", 2),
        ("слово", 1),
        ("한국어 문장", 2),
        ("中文字", 3),
        ("東京へ行く", 5),
        ("ไทย", 3),
        ("GPT中文", 3),
    ],
)
def test_words(text: str, words: int) -> None:
    assert num_words(text) == words


@pytest.mark.parametrize("text", ["हिन्दी", "p'iqi", "mba’e", "नमस्ते"])
def test_marks_and_apostrophes_do_not_split_a_word(text: str) -> None:
    assert num_words(text) == 1


def encoded(*ids: list[int], truncated: int = 0) -> Encoding:
    return Encoding(list(ids), None, 1, truncated)


def test_special_tokens_are_left_out_and_unknown_ones_are_not() -> None:
    statistics = text_statistics(["two words"], [encoded([0, 7, 8, 3, 9, 2])], TOKENIZER)
    assert statistics.tokens_per_word == 2.0
    assert statistics.unknown_share == 0.25
    assert statistics.truncated_share == 0.0


def test_several_sides_are_one_set() -> None:
    statistics = text_statistics(
        ["one", "two three", "four"], [encoded([0, 7, 2], truncated=1), encoded([0, 8, 9, 2], [0, 7, 2])], TOKENIZER
    )
    assert statistics.tokens_per_word == 1.0
    assert statistics.truncated_share == pytest.approx(1 / 3)


def test_nothing_divides_by_nothing() -> None:
    statistics = text_statistics([], [], TOKENIZER)
    assert (statistics.tokens_per_word, statistics.unknown_share, statistics.truncated_share) == (0, 0, 0)
