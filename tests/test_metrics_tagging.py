"""Spans as seqeval reads them, and that counting by sentence gives the corpus' F1."""

import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adaptx.errors import UserError
from adaptx.metrics import METRICS
from adaptx.metrics.tagging import corpus_entities, entities, split_tag_0_0_12, split_tag_1_2_2

BIO = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
UPOS = ["ADJ", "ADP", "CCONJ", "DET", "INTJ", "NOUN", "NUM", "PROPN", "PUNCT", "SCONJ", "SYM", "VERB", "X", "_"]
VERSIONS = {"0.0.12": split_tag_0_0_12, "1.2.2": split_tag_1_2_2}


def corpora(tags: list[str]) -> st.SearchStrategy[tuple[list[list[str]], list[list[str]]]]:
    sentence = st.lists(st.tuples(st.sampled_from(tags), st.sampled_from(tags)), min_size=1, max_size=8)
    return st.lists(sentence, min_size=1, max_size=6).map(
        lambda corpus: tuple([[pair[side] for pair in sentence] for sentence in corpus] for side in (0, 1))
    )


@pytest.mark.parametrize(
    ("tags", "spans"),
    [
        (["B-PER", "I-PER", "O"], {("PER", 0, 1)}),
        (["I-PER", "I-LOC"], {("PER", 0, 0), ("LOC", 1, 1)}),
        (["B-PER", "B-PER"], {("PER", 0, 0), ("PER", 1, 1)}),
        (["B-PER", "E-PER", "S-LOC"], {("PER", 0, 1), ("LOC", 2, 2)}),
        (["O"], set()),
        ([], set()),
    ],
)
def test_both_versions_read_bio_and_bioes_alike(tags: list[str], spans: set[tuple[str, int, int]]) -> None:
    assert entities(tags, split_tag_0_0_12) == entities(tags, split_tag_1_2_2) == spans


def test_versions_differ_in_types_with_hyphens_and_in_raw_tags() -> None:
    assert entities(["B-A-B"], split_tag_0_0_12) == {("B", 0, 0)}
    assert entities(["B-A-B"], split_tag_1_2_2) == {("A-B", 0, 0)}
    # CCONJ and SCONJ are two tags for 0.0.12; 1.2.2 drops the first letter, which makes them one type.
    assert entities(["CCONJ"], split_tag_0_0_12) != entities(["SCONJ"], split_tag_0_0_12)
    assert entities(["CCONJ"], split_tag_1_2_2) == entities(["SCONJ"], split_tag_1_2_2)


def test_neighbouring_words_of_one_upos_tag_are_one_span() -> None:
    assert METRICS["tag_f1"].score([["NOUN", "VERB", "VERB"]], [["NOUN", "NOUN", "VERB"]], "en") == 0.0
    assert METRICS["token_accuracy"].score([["NOUN", "VERB", "VERB"]], [["NOUN", "NOUN", "VERB"]], "en") == 2 / 3


@pytest.mark.parametrize(
    ("name", "version", "tags"), [("entity_f1", "1.2.2", BIO), ("tag_f1", "0.0.12", BIO), ("tag_f1", "0.0.12", UPOS)]
)
@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_counts_by_sentence_give_the_f1_of_the_corpus(
    name: str, version: str, tags: list[str], data: st.DataObject
) -> None:
    golds, predictions = data.draw(corpora(tags))
    gold, predicted = (corpus_entities(sentences, VERSIONS[version]) for sentences in (golds, predictions))
    whole = 2 * len(gold & predicted) / max(len(gold) + len(predicted), 1)
    assert METRICS[name].score(predictions, golds, "en") == pytest.approx(whole)


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_current_version_is_that_of_the_library(data: st.DataObject) -> None:
    library = pytest.importorskip("seqeval.metrics", reason="seqeval is not installed (it is in the extra `dev`)")
    golds, predictions = data.draw(
        corpora(data.draw(st.sampled_from([BIO, UPOS, ["B-A-B", "I-A-B", "S-A", "E-A", "O"]])))
    )
    with warnings.catch_warnings():
        # It warns of tags that are not BIO, and of empty sets of spans.
        warnings.simplefilter("ignore")
        expected = library.f1_score(golds, predictions)
    gold, predicted = corpus_entities(golds, split_tag_1_2_2), corpus_entities(predictions, split_tag_1_2_2)
    assert 2 * len(gold & predicted) / max(len(gold) + len(predicted), 1) == pytest.approx(expected)


@pytest.mark.parametrize("name", ["entity_f1", "tag_f1", "token_accuracy"])
def test_sentences_of_unequal_length_are_refused(name: str) -> None:
    with pytest.raises(UserError, match="sentence 1 has 1 predicted tags for 2 gold tags"):
        METRICS[name].statistics([["O"], ["O"]], [["O"], ["O", "O"]], "en")
