"""Tagging: a word's first sub-word carries its tag, and sentences of any length get one tag a word."""

import itertools
import random
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support import format_bench, small_world
from torch.nn import functional

from adaptx.formats.tagging import SentenceParts, items
from adaptx.specs import Hidden, Tagging, Task

LABELS = ("NOUN", "VERB", "X", "DET", "PRON")
FORMAT = Tagging(LABELS)
TASK = Task("tagged", FORMAT)
SENTENCES = [["tree", "wolf.", "sea"], ["night"], ["house", "x", "glass", "iron?", "river"]]
each_architecture = pytest.mark.parametrize("architecture", small_world.ARCHITECTURES)


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> small_world.Models:
    return small_world.make_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def benches(models) -> dict[str, format_bench.Bench]:
    return {architecture: format_bench.make(models, architecture, 128) for architecture in small_world.ARCHITECTURES}


def shortened(bench: format_bench.Bench, max_length: int, prefix: str = "") -> format_bench.Bench:
    return replace(bench, reading=replace(bench.reading, max_length=max_length, framing=Hidden(prefix=prefix)))


def tags(bench: format_bench.Bench, sentences: list[list[str]]) -> list[list[str]]:
    rows = format_bench.examples(tokens=sentences)
    return bench.evaluator().predict(rows, TASK, bench.head(FORMAT)).predictions


def first_subwords(bench: format_bench.Bench, sentence: list[str]) -> tuple[list[int], list[int]]:
    """The tokenizer's own ids of a sentence, and the first token of each word."""
    output = bench.reading.tokenizer(sentence, is_split_into_words=True)
    numbers = output.word_ids()
    return output["input_ids"], [numbers.index(word) for word in range(len(sentence))]


@each_architecture
def test_short_sentences_are_read_as_the_tokenizer_reads_them(benches, architecture):
    pieces = SentenceParts(SENTENCES, benches[architecture].reading)
    wanted = [first_subwords(benches[architecture], sentence) for sentence in SENTENCES]
    assert pieces.encoded.ids == [ids for ids, _ in wanted]
    assert pieces.first_tokens == [firsts for _, firsts in wanted]
    assert any(pair[1] - pair[0] > 1 for firsts in pieces.first_tokens for pair in itertools.pairwise(firsts))
    assert pieces.sentence == [0, 1, 2]
    assert pieces.encoded.truncated == 0


@each_architecture
def test_tags_and_loss_are_those_of_each_sentence_by_itself(benches, architecture):
    bench = benches[architecture]
    head = bench.head(FORMAT)
    gold = [[LABELS[(row + word) % 5] for word in range(len(each))] for row, each in enumerate(SENTENCES)]
    chosen, losses = [], []
    for sentence, right in zip(SENTENCES, gold, strict=True):
        ids, firsts = first_subwords(bench, sentence)
        logits = head.module(bench.states(ids)[firsts])
        chosen.append([LABELS[index] for index in logits.argmax(dim=-1).tolist()])
        losses.append(
            functional.cross_entropy(logits, torch.tensor([LABELS.index(tag) for tag in right]), reduction="sum")
        )
    assert tags(bench, SENTENCES) == chosen
    assert len({tag for each in chosen for tag in each}) > 1
    drawn = format_bench.drawn_items(bench, format_bench.examples(tokens=SENTENCES, tags=gold), FORMAT)
    assert drawn.units == [3, 1, 5]
    loss, _ = format_bench.loss_and_gradients(bench, drawn, FORMAT, format_bench.WHOLE)
    # The unit is the word: long sentences weigh more than short ones.
    assert loss == pytest.approx(torch.stack(losses).sum().item() / 9, abs=1e-5)


@each_architecture
@settings(max_examples=60, deadline=None)
@given(
    sentences=st.lists(
        st.lists(st.sampled_from([*small_world.WORDS, "x" * 40, "€", "tree.stone"]), min_size=1, max_size=30),
        min_size=1,
        max_size=4,
    ),
    max_length=st.integers(6, 40),
    prefix=st.sampled_from(["", "wolf "]),
)
def test_a_sentence_of_any_length_is_split_between_words_and_rejoined(
    benches, architecture, sentences, max_length, prefix
):
    bench = shortened(benches[architecture], max_length, prefix)
    pieces = SentenceParts(sentences, bench.reading)
    assert max(pieces.encoded.lengths) <= max_length
    for number, sentence in enumerate(sentences):
        mine = [index for index, of in enumerate(pieces.sentence) if of == number]
        counts = [len(pieces.first_tokens[index]) for index in mine]
        assert [pieces.first_word[index] for index in mine] == [sum(counts[:place]) for place in range(len(mine))]
        assert sum(counts) == len(sentence)
        assert min(counts) > 0
        # No word more would have gone into a piece that another follows.
        for index, later in itertools.pairwise(mine):
            word = sentence[pieces.first_word[later]]
            more = len(bench.reading.tokenizer([word], is_split_into_words=True, add_special_tokens=False)["input_ids"])
            assert len(pieces.encoded.ids[index]) + max(more, 1) > max_length
    assert len(set(zip(pieces.sentence, pieces.first_word, strict=True))) == len(pieces.sentence)
    assert pieces.encoded.truncated == len(pieces.sentence) - len(sentences)


@each_architecture
@pytest.mark.parametrize("prefix", ["", "wolf "])
def test_a_piece_is_tagged_as_a_sentence_of_its_own(benches, architecture, prefix):
    draw = random.Random(1)
    sentences = [draw.choices(small_world.WORDS, k=length) for length in (30, 2, 17)]
    bench = shortened(benches[architecture], 24, prefix)
    pieces = SentenceParts(sentences, bench.reading)
    assert len(pieces.sentence) > 6
    parts = [
        sentences[number][first : first + len(firsts)]
        for number, first, firsts in zip(pieces.sentence, pieces.first_word, pieces.first_tokens, strict=True)
    ]
    apart = tags(bench, parts)
    together = tags(bench, sentences)
    assert together == [
        [tag for of, found in zip(pieces.sentence, apart, strict=True) if of == number for tag in found]
        for number in range(len(sentences))
    ]
    assert [len(found) for found in together] == [30, 2, 17]
    # Whole sentences are read with the context that the pieces lack.
    assert SentenceParts(sentences[1:2], bench.reading).encoded.ids == [pieces.encoded.ids[pieces.sentence.index(1)]]


@each_architecture
def test_training_reads_every_word_with_its_own_tag(benches, architecture):
    draw = random.Random(2)
    sentences = [draw.choices(small_world.WORDS, k=length) for length in (25, 1, 12)]
    gold = [[draw.choice(LABELS) for _ in sentence] for sentence in sentences]
    bench = shortened(benches[architecture], 20)
    made = items(format_bench.examples(tokens=sentences, tags=gold), FORMAT, bench.reading)
    assert made.units == [25, 1, 12]
    assert [len(members) for members in made.members] == [len(targets) for targets in made.targets]
    assert len(made.members[0]) > 2
    for members, targets, sentence, right in zip(made.members, made.targets, sentences, gold, strict=True):
        assert [LABELS[tag] for _, found in targets for tag in found] == right
        words = iter(sentence)
        for member, (firsts, _) in zip(members, targets, strict=True):
            for first in firsts:
                alone, at = first_subwords(bench, [next(words)])
                assert made.encoded.ids[member][first] == alone[at[0]]


def test_a_word_that_the_tokenizer_drops_is_its_unknown_token(benches):
    bench = benches["bert"]
    dropped = small_world.DROPPED_CHARACTER
    tokenizer = bench.reading.tokenizer
    assert tokenizer([dropped], is_split_into_words=True, add_special_tokens=False)["input_ids"] == []
    sentences = [["tree", dropped, "stone"], [dropped], [dropped, dropped, "sea"]]
    pieces = SentenceParts(sentences, bench.reading)
    tree, stone = tokenizer.convert_tokens_to_ids(["tree", "stone"])
    assert pieces.encoded.ids[0][1:-1] == [tree, tokenizer.unk_token_id, stone]
    assert pieces.first_tokens[0] == [1, 2, 3]
    assert [len(found) for found in tags(bench, sentences)] == [3, 1, 3]


@each_architecture
def test_a_word_longer_than_the_model_reads_keeps_its_beginning(benches, architecture):
    bench = shortened(benches[architecture], 10)
    sentence = ["tree", "x" * 50, "stone"]
    pieces = SentenceParts([sentence], bench.reading)
    assert len(pieces.encoded) == 3
    assert pieces.encoded.lengths[1] == 10
    (whole, firsts) = first_subwords(bench, sentence[1:2])
    assert pieces.encoded.ids[1][1:9] == whole[1:9]
    assert pieces.first_tokens[1] == firsts
    assert [len(found) for found in tags(bench, [sentence])] == [3]


def test_records_name_words_and_tags(benches):
    bench = benches["bert"]
    found = bench.evaluator().predict(format_bench.examples(tokens=SENTENCES), TASK, bench.head(FORMAT))
    assert found.golds is None
    assert found.records == [
        {"tokens": words, "tags": of} for words, of in zip(SENTENCES, found.predictions, strict=True)
    ]
