"""Span question answering against transformers' own windows and offsets, and against a search over all spans."""

import math
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from support import format_bench, small_world
from torch.nn import functional

from adaptx.errors import UserError
from adaptx.formats.question_answering import Window, best_spans, items, windows
from adaptx.specs import Hidden, QuestionAnswering, Task

PREFIX = "query: "
EVERYTHING = 10_000
each_architecture = pytest.mark.parametrize("architecture", small_world.ARCHITECTURES)
words = st.lists(st.sampled_from(small_world.WORDS), min_size=3, max_size=40)


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> small_world.Models:
    return small_world.make_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def benches(models) -> dict[tuple[str, str], format_bench.Bench]:
    """By architecture and prefix; the length that is read is given by each test."""
    return {
        (architecture, prefix): format_bench.make(models, architecture, framing=Hidden(prefix=prefix))
        for architecture in small_world.ARCHITECTURES
        for prefix in ("", PREFIX)
    }


def reading(bench: format_bench.Bench, max_length: int) -> Any:
    return replace(bench.reading, max_length=max_length)


def one(question: str, context: str, answers: list[tuple[str, int]] | None) -> Any:
    texts = {"question": [question], "context": [context]}
    if answers is None:
        return format_bench.examples(**texts)
    starts = [start for _, start in answers]
    return format_bench.examples(**texts, answers=[[text for text, _ in answers]], answer_starts=[starts])


def span(context: list[str], first: int, last: int) -> tuple[str, int]:
    """The words from `first` to `last` as an answer, and where it begins."""
    return " ".join(context[first : last + 1]), len(" ".join([*context[:first], ""])) if first else 0


@each_architecture
@settings(max_examples=80, deadline=None)
@given(
    context=words, question=words, max_length=st.integers(40, 90), stride=st.none() | st.integers(0, 60), data=st.data()
)
def test_windows_and_targets_are_those_of_the_squad_scripts(
    benches, architecture, context, question, max_length, stride, data
):
    bench = benches[architecture, ""]
    question = question[:5]
    first = data.draw(st.integers(0, len(context) - 1))
    last = data.draw(st.integers(first, min(first + 4, len(context) - 1)))
    answer, start = span(context, first, last)
    text, asked = " ".join(context), " ".join(question)
    tokenizer = bench.reading.tokenizer
    room = max_length - len(tokenizer(asked, "tree")["input_ids"]) + 1
    assume(room >= 8)
    shared = min(max_length // 3, room // 2) if stride is None else stride
    assume(shared < room)
    task_format = QuestionAnswering(stride=stride, question_tokens=EVERYTHING)
    rows = one(asked, text, [(answer, start)])
    made = windows(rows, task_format, reading(bench, max_length))
    drawn = items(rows, task_format, reading(bench, max_length))
    targets = drawn.targets

    theirs = tokenizer(
        [asked],
        [text],
        truncation="only_second",
        max_length=max_length,
        stride=shared,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )
    assert made.encoded.ids == theirs["input_ids"]
    assert made.encoded.types == theirs.get("token_type_ids")
    wanted = [
        squad_target(theirs["offset_mapping"][number], theirs.sequence_ids(number), start, start + len(answer))
        for number in range(len(theirs["input_ids"]))
    ]
    if all(target == (0, 0) for target in wanted):
        assert (targets, drawn.left_out[0].count) == ([], 1), "no window holds the answer: nothing is trained"
        return
    assert not drawn.left_out
    if architecture == "bert":
        assert targets == wanted
    # The space that a Unigram tokenizer puts before a text is a token with the first letter's place: either may begin.
    for number, offsets in enumerate(theirs["offset_mapping"]):
        (ours, squads) = ((offsets[start][0], offsets[end][1]) for start, end in (targets[number], wanted[number]))
        assert ours == squads
        assert (targets[number] == (0, 0)) is (wanted[number] == (0, 0))


def squad_target(offsets: list[tuple[int, int]], sides: list[int | None], begin: int, end: int) -> tuple[int, int]:
    """By walking inwards from both ends, as transformers' example for SQuAD finds the answer's tokens."""
    first = next(place for place, side in enumerate(sides) if side == 1)
    last = len(sides) - 1 - next(place for place, side in enumerate(reversed(sides)) if side == 1)
    if not (offsets[first][0] <= begin and offsets[last][1] >= end):
        return 0, 0
    while first <= last and offsets[first][0] <= begin:
        first += 1
    while offsets[last][1] >= end:
        last -= 1
    return first - 1, last + 1


@each_architecture
@pytest.mark.parametrize("prefix", ["", PREFIX])
@settings(max_examples=60, deadline=None)
@given(context=words, max_length=st.integers(44, 80), stride=st.integers(1, 20), data=st.data())
def test_an_answer_is_a_target_of_every_window_that_holds_all_of_it(
    benches, architecture, prefix, context, max_length, stride, data
):
    bench = benches[architecture, prefix]
    first = data.draw(st.integers(0, len(context) - 1))
    answer, start = span(context, first, data.draw(st.integers(first, min(first + 3, len(context) - 1))))
    text = " ".join(context)
    rows, task_format = one("sea?", text, [(answer, start)]), QuestionAnswering(stride=stride)
    made = windows(rows, task_format, reading(bench, max_length))
    drawn = items(rows, task_format, reading(bench, max_length))
    target_of = dict(zip((member for (member,) in drawn.members), drawn.targets, strict=True))
    held = 0
    for number, (window, ids) in enumerate(zip(made.windows, made.encoded.ids, strict=True)):
        target = target_of.get(number, (0, 0))
        assert len(ids) <= max_length
        covered = [place for a, b in window.spans for place in range(a, b)]
        if set(range(start, start + len(answer))) - {place for place in range(len(text)) if text[place] == " "} <= set(
            covered
        ):
            held += 1
            (left, _), (_, right) = (window.spans[place - window.first] for place in target)
            assert text[left:right].strip() == answer
        else:
            assert target == (0, 0)
    tokens = len(bench.reading.tokenizer(answer, add_special_tokens=False)["input_ids"])
    assert held or tokens > stride, "windows share enough for the answer, but none holds it"
    assert bool(held) is (not drawn.left_out) is bool(len(drawn))
    # Together the windows show the whole context.
    seen = {place for window in made.windows for a, b in window.spans for place in range(a, b)}
    assert seen >= {place for place, letter in enumerate(text) if letter != " "}


@each_architecture
def test_windows_share_a_third_by_default_and_never_all_of_it(benches, architecture):
    bench = benches[architecture, ""]
    text = " ".join(small_world.WORDS * 30)
    for max_length, shared in ((60, 20), (384, 128), (600, 128)):
        made = windows(one("sea?", text, None), QuestionAnswering(), reading(bench, max_length)).windows
        assert made[0].spans[-shared:] == made[1].spans[:shared]
        assert made[0].spans[-shared - 1] not in made[1].spans
    with pytest.raises(
        UserError, match=r"stride=50\): .*a window of 50 tokens has room for only \d+ tokens of context in row 0"
    ):
        windows(one("sea?", text, None), QuestionAnswering(stride=50), reading(bench, 50))
    with pytest.raises(UserError, match=r"stride=-1"):
        QuestionAnswering(stride=-1)


@each_architecture
def test_a_question_whose_answer_no_window_holds_is_left_out_and_never_unanswerable(benches, architecture):
    context = [small_world.WORDS[number % len(small_world.WORDS)] for number in range(40)]
    long, short = span(context, 5, 38), span(context, 8, 9)
    rows = format_bench.examples(
        question=["sea?", "night?", "tree?"],
        context=[" ".join(context)] * 3,
        answers=[[long[0]], [short[0]], []],
        answer_starts=[[long[1]], [short[1]], []],
    )
    bench = reading(benches[architecture, ""], 48)
    drawn = items(rows, QuestionAnswering(unanswerable=True), bench)
    (left,) = drawn.left_out
    assert (left.count, left.first) == (1, rows.rows[0])
    assert "no window of 48 tokens holds the whole answer" in str(left)
    made = windows(rows, QuestionAnswering(unanswerable=True), bench)
    assert {made.windows[member].question for (member,) in drawn.members} == {1, 2}
    assert len(drawn.targets) == len(drawn.units) == len(drawn.members)


def test_some_answers_lie_in_several_windows(benches):
    context = [small_world.WORDS[number % len(small_world.WORDS)] for number in range(40)]
    rows = one("sea?", " ".join(context), [span(context, 8, 9)])
    targets = items(rows, QuestionAnswering(stride=36), reading(benches["bert", ""], 48)).targets
    assert sum(target != (0, 0) for target in targets) > 3
    assert len({target for target in targets if target != (0, 0)}) > 3


@each_architecture
def test_an_unanswerable_question_points_to_the_first_token_of_every_window(benches, architecture):
    rows = one("sea?", " ".join(small_world.WORDS * 4), [])
    drawn = items(rows, QuestionAnswering(unanswerable=True, stride=8), reading(benches[architecture, ""], 40))
    assert len(drawn) > 3
    assert drawn.targets == [(0, 0)] * len(drawn)
    assert drawn.units == [1] * len(drawn)


@each_architecture
def test_questions_are_cut_and_need_room_for_a_context(benches, architecture):
    bench = benches[architecture, ""]
    long = " ".join(small_world.WORDS * 8)
    rows = one(long, long, None)
    tokenizer = bench.reading.tokenizer
    wanted = tokenizer(long, add_special_tokens=False)["input_ids"][:10]
    for ids in windows(rows, QuestionAnswering(question_tokens=10), reading(bench, 40)).encoded.ids:
        assert ids[1:11] == wanted
        assert ids[11] == tokenizer.sep_token_id
    with pytest.raises(UserError, match=r"max_length=16 leaves room for [0-7] tokens of context.*128 or more"):
        windows(rows, QuestionAnswering(question_tokens=10), reading(bench, 16))


@each_architecture
def test_the_loss_is_the_mean_of_both_cross_entropies_over_a_windows_own_tokens(models, architecture):
    bench = format_bench.make(models, architecture, 40)
    context = list(small_world.WORDS * 3)
    task_format = QuestionAnswering(stride=10)
    drawn = format_bench.drawn_items(bench, one("sea?", " ".join(context), [span(context, 3, 4)]), task_format)
    loss, _ = format_bench.loss_and_gradients(bench, drawn, task_format, format_bench.WHOLE)
    head, wanted = bench.head(task_format), []
    for sequence, (start, end) in enumerate(drawn.targets):
        types = drawn.encoded.types
        states = bench.states(drawn.encoded.ids[sequence], None if types is None else types[sequence])
        logits = head.module(states)
        wanted += [functional.cross_entropy(logits[:, 0], torch.tensor(start)),
                   functional.cross_entropy(logits[:, 1], torch.tensor(end))]  # fmt: skip
    assert any(target != (0, 0) for target in drawn.targets)
    assert loss == pytest.approx(torch.stack(wanted).mean().item(), abs=1e-5)


def every_span(logits: np.ndarray, window: Window, most: int) -> list[tuple[float, int, int]]:
    """(score, start, end) of each pair of tokens that show some of the text."""
    shown = [a < b for a, b in window.spans]
    return [
        (float(logits[window.first + start, 0] + logits[window.first + end, 1]), start, end)
        for start in range(len(shown))
        for end in range(start, min(start + most, len(shown)))
        if shown[start] and shown[end]
    ]


def showing(first: int, shown: Sequence[bool]) -> Window:
    """A window with a character for each token that shows one; the others have an empty span."""
    ends = np.cumsum(shown).tolist()
    return Window(0, first, [(end - each, end) for end, each in zip(ends, shown, strict=True)])


@settings(max_examples=200, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    made=st.lists(
        st.builds(showing, st.integers(1, 6), st.lists(st.booleans(), min_size=1, max_size=30).filter(any)),
        min_size=1,
        max_size=4,
    ),
    most=st.integers(1, 12),
    coarse=st.booleans(),
)
def test_the_best_span_is_that_of_a_search_over_all_pairs_of_tokens_that_show_text(seed, made, most, coarse):
    longest = max(each.first + len(each.spans) for each in made) + 1
    draw = np.random.default_rng(seed)
    # Coarse scores have ties.
    shape = (len(made), longest, 2)
    values = draw.integers(-3, 4, shape) if coarse else draw.normal(size=shape)
    logits = torch.tensor(values, dtype=torch.float32)
    found = best_spans(logits, made, QuestionAnswering(n_best=30, answer_tokens=most))
    for of_window, each, (score, null, start, end) in zip(logits.numpy(), made, found, strict=True):
        every = every_span(of_window, each, most)
        assert (score, start, end) in every
        assert score == max(found[0] for found in every)
        assert null == pytest.approx(float(of_window[0, 0] + of_window[0, 1]))


def test_a_token_that_shows_no_text_takes_no_candidates_place():
    """Sentencepiece may put a lone mark of a word's beginning before a word, with no character of its own."""
    logits = torch.zeros(1, 6, 2)
    logits[0, 2:] = torch.tensor([[9.0, 8.0], [5.0, 1.0], [0.0, 0.0], [1.0, 4.0]])
    made = [showing(1, [True, False, True, True, True])]
    assert best_spans(logits, made, QuestionAnswering(n_best=1)) == [(9.0, 0.0, 2, 4)]
    # Nor does it stand alone where no pair of the best is in order.
    logits[0, 3, 0], logits[0, 1, 1] = 0, 7.0
    assert best_spans(logits, made, QuestionAnswering(n_best=1)) == [(7.0, 0.0, 0, 0)]


def test_a_window_of_no_text_has_no_span():
    for shown in ([], [False, False]):
        assert best_spans(torch.ones(1, 4, 2), [showing(1, shown)], QuestionAnswering()) == [(-math.inf, 2.0, 0, 0)]


def test_without_an_ordered_pair_among_the_best_the_best_single_token_stands():
    logits = torch.zeros(1, 8, 2)
    logits[0, 6, 0], logits[0, 2, 1], logits[0, 4] = 9.0, 9.0, torch.tensor([3.0, 4.0])
    ((score, _, start, end),) = best_spans(logits, [showing(1, [True] * 7)], QuestionAnswering(n_best=1))
    assert (score, start, end) == (9.0, 1, 1)
    logits[0, 4] = torch.tensor([5.0, 5.0])
    ((score, _, start, end),) = best_spans(logits, [showing(1, [True] * 7)], QuestionAnswering(n_best=1))
    assert (score, start, end) == (10.0, 3, 3)


@each_architecture
@pytest.mark.parametrize("unanswerable", [False, True])
@pytest.mark.parametrize("prefix", ["", PREFIX])
def test_predictions_are_the_best_spans_over_all_windows(models, architecture, unanswerable, prefix):
    bench = format_bench.make(models, architecture, 54 if prefix else 40, framing=Hidden(prefix=prefix))
    task_format = QuestionAnswering(unanswerable=unanswerable, stride=16, n_best=100, answer_tokens=6)
    draw = random.Random(3)
    contexts = [small_world.sentence(draw, length, length) for length in (4, 50, 20, 40)]
    rows = format_bench.examples(question=["tree?", "sea?", "night?", "glass?"], context=contexts)
    head = bench.head(task_format)
    found = bench.evaluator().predict(rows, Task("asked", task_format), head)
    made = windows(rows, task_format, bench.reading)
    assert len(made.windows) > 2 * len(contexts)
    best: list[tuple[float, str]] = [(-math.inf, "")] * len(contexts)
    null = [math.inf] * len(contexts)
    for number, window in enumerate(made.windows):
        types = made.encoded.types
        states = bench.states(made.encoded.ids[number], None if types is None else types[number])
        logits = head.module(states).detach().numpy()
        context = contexts[window.question]
        for score, start, end in every_span(logits, window, 6):
            text = context[window.spans[start][0] : window.spans[end][1]].strip()
            best[window.question] = max(best[window.question], (score, text), key=lambda each: each[0])
        null[window.question] = min(null[window.question], float(logits[0].sum()))
    texts = [text for _, text in best]
    shares = [1 / (1 + math.exp(score - nothing)) for (score, _), nothing in zip(best, null, strict=True)]
    assert found.records == [
        {"answer": text, "no_answer": pytest.approx(share, abs=1e-5)} for text, share in zip(texts, shares, strict=True)
    ]
    wanted = [{"text": record["answer"], "no_answer": record["no_answer"]} for record in found.records]
    assert found.predictions == (wanted if unanswerable else texts)
    assert len(set(texts)) > 2
    assert found.golds is None


def test_the_prefix_is_no_part_of_an_answer(benches):
    bench = benches["bert", PREFIX]
    text = "tree sea stone"
    made = windows(one("sea?", text, None), QuestionAnswering(), bench.reading)
    (window,) = made.windows
    shown = [text[a:b] for a, b in window.spans]
    assert "".join(shown) == text.replace(" ", "")
    assert shown[:6].count("") == len(bench.reading.tokenizer(PREFIX, add_special_tokens=False)["input_ids"])
