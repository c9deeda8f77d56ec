"""Span corruption: nothing is lost, and the shares are those asked for."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from adaptx.formats.spans import corrupt

SENTINELS = list(range(1_000, 1_100))


def mended(corrupted):
    """The text again: each sentinel of the source replaced by its span."""
    spans = {}
    for token in corrupted.target:
        if token >= 1_000:
            spans[token] = []
            last = token
        else:
            spans[last].append(token)
    return [each for token in corrupted.source for each in spans.get(token, [token])]


@given(
    st.lists(st.integers(0, 999), min_size=2, max_size=200),
    st.floats(0.01, 0.99),
    st.floats(1, 8),
    st.integers(0, 2**32),
)
def test_source_and_target_together_are_the_text(ids, share, mean_span, seed):
    corrupted = corrupt(ids, share, mean_span, SENTINELS, np.random.default_rng(seed))
    assert mended(corrupted) == ids
    sentinels = [token for token in corrupted.source if token >= 1_000]
    assert sentinels == SENTINELS[: len(sentinels)] == [token for token in corrupted.target if token >= 1_000]
    assert corrupted.source[0] == ids[0]
    dropped = len(corrupted.target) - len(sentinels)
    assert dropped == min(max(1, round(share * len(ids))), len(ids) - 1)


def test_spans_have_the_mean_length_asked_for():
    random = np.random.default_rng(1)
    made = [corrupt(list(range(200)), 0.15, 3.0, SENTINELS, random) for _ in range(50)]
    spans = sum(token >= 1_000 for each in made for token in each.target)
    assert spans == 50 * 10


def test_few_sentinels_make_few_spans():
    corrupted = corrupt(list(range(100)), 0.5, 1.0, SENTINELS[:3], np.random.default_rng(1))
    assert mended(corrupted) == list(range(100))
    assert sum(token >= 1_000 for token in corrupted.target) == 3


def test_a_text_of_one_token_stays():
    corrupted = corrupt([7], 0.15, 3.0, SENTINELS, np.random.default_rng(1))
    assert (corrupted.source, corrupted.target) == ([7], [])


def test_a_single_span_lies_anywhere_behind_the_first_token():
    random = np.random.default_rng(1)
    places = {corrupt(list(range(7)), 0.15, 3.0, SENTINELS, random).source.index(1_000) for _ in range(200)}
    assert places == set(range(1, 7))
