"""Formats as text to text: what is read, what is learned, and how answers are taken."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support import tiny
from support.text_bench import (
    ARCHITECTURES,
    CPU,
    EVERY,
    NLI_TEXT,
    TOPIC_TEXT,
    add_models,
    bench,
    plain_log_likelihood,
    rows_of,
)

from adaptx.backbones.choosing import greedy
from adaptx.data.examples import Examples
from adaptx.errors import UserError
from adaptx.formats import behaviour
from adaptx.formats.interface import piece_of, take
from adaptx.formats.text import writing
from adaptx.formats.text.prompting import encode_prompts
from adaptx.formats.text.tagged_words import TaggingRule, Tags, tagged_answer
from adaptx.specs import (
    Classification,
    Generate,
    MultipleChoice,
    Normalisation,
    Prompt,
    QuestionAnswering,
    Rank,
    Tagging,
    Task,
    Text,
)

WORDS = [tiny.word("en", index) for index in range(tiny.NUM_WORDS)]
CHOICE = Task("choice", MultipleChoice())
CHOICE_TEXT = Text(Prompt("{text} {question} answer:"), Rank(end=True))
CHOICES = Examples(
    rows=(0, 1, 2),
    columns={
        "text": [" ".join(WORDS[:4]), WORDS[5], " ".join(WORDS[2:11])],
        "question": [WORDS[1], WORDS[2], WORDS[3]],
        "choices": [
            [WORDS[4], f"{WORDS[5]} {WORDS[6]}"],
            [WORDS[7], WORDS[8], f"{WORDS[1]} xyz"],
            [WORDS[9], WORDS[0]],
        ],
        "label": [1, 0, 1],
    },
)
ANSWERS = Task("answers", QuestionAnswering(unanswerable=True), metrics=("squad_v2_f1",))
ANSWER_TEXT = Text(Prompt("{context} question: {question} answer:", no_answer=WORDS[20]), Generate(), answer_tokens=8)
QUESTIONS = Examples(
    rows=(0, 1),
    columns={
        "question": [WORDS[1], WORDS[2]],
        "context": [" ".join(WORDS[3:9]), " ".join(WORDS[4:8])],
        "answers": [[f"{WORDS[4]} {WORDS[5]}"], []],
        "answer_starts": [[5], []],
    },
)
TAGS = ("o", "org", "per")
TAGGED = Task("tagged", Tagging(TAGS), metrics=("tag_f1",))
TAG_TEXT = Text(Prompt("{tokens} tags:"), Generate())
SENTENCES = Examples(
    rows=(0, 1, 2),
    columns={
        "tokens": [WORDS[:3], [WORDS[4], "xyz", WORDS[5], WORDS[6], "q"], [WORDS[7]]],
        "tags": [["o", "org", "o"], ["per", "o", "o", "org", "org"], ["o"]],
    },
)


@pytest.fixture(scope="module", params=ARCHITECTURES)
def model(request, world):
    return bench(world, add_models(world)[request.param])


@pytest.fixture(scope="module")
def decoder(world):
    return bench(world, add_models(world)["llama"])


def split(items, row):
    """Token ids of prompt and answer."""
    first = items.targets[row].first
    return items.encoded.ids[row][:first], items.encoded.ids[row][first:]


def shown(model, ids):
    """The text of token ids, with the spaces that a piece begins with."""
    if model.network.config.is_encoder_decoder:
        special = model.tokenizer.all_special_tokens
        pieces = [piece for piece in model.tokenizer.convert_ids_to_tokens(ids) if piece not in special]
        return "".join(pieces).replace("▁", " ")
    return model.tokenizer.decode(ids, skip_special_tokens=True)


def items_of(model, task, text, examples, max_length=96):
    return behaviour(task.format, text).training.items(examples, task.format, model.reading(text, max_length))


@pytest.mark.parametrize(("task", "text"), [(tiny.NLI, NLI_TEXT), (CHOICE, CHOICE_TEXT), (ANSWERS, ANSWER_TEXT)])
@pytest.mark.parametrize("architecture", EVERY)
def test_prompt_and_answer_are_the_tokens_of_the_whole(world, architecture, task, text):
    model = bench(world, add_models(world)[architecture])
    examples = {
        "nli": lambda: rows_of(world, tiny.NLI, "en", 6),
        "choice": lambda: CHOICES,
        "answers": lambda: QUESTIONS,
    }
    examples = examples[task.name]()
    items = items_of(model, task, text, examples)
    end = model.tokenizer.eos_token_id
    columns = examples.columns
    for row in range(len(examples)):
        match task.name:
            case "nli":
                answer = text.prompt.words(columns["label"][row])
            case "choice":
                answer = columns["choices"][row][columns["label"][row]]
            case _:
                answer = (columns["answers"][row] or [text.prompt.no_answer])[0]
        fields = {role: columns[role][row] for role in text.prompt.roles}
        written = text.prompt.template.format(**fields)
        prompt, answered = split(items, row)
        assert answered[-1] == end
        if model.network.config.is_encoder_decoder:
            assert prompt == model.tokenizer(written)["input_ids"]
            assert answered[:-1] == model.tokenizer(answer, add_special_tokens=False)["input_ids"]
        else:
            assert [*prompt, *answered[:-1]] == model.tokenizer(f"{written} {answer}")["input_ids"]
        assert items.units[row] == len(answered)


def test_the_loss_is_that_of_answers_alone(model, world):
    examples = rows_of(world, tiny.NLI, "en", 5)
    items = items_of(model, tiny.NLI, NLI_TEXT, examples)
    chosen = [3, 0, 4]
    drawn = take(items, chosen)
    piece = piece_of(drawn, range(3), CPU)
    loss = behaviour(tiny.NLI.format, NLI_TEXT).training.loss.of(model.backbone, piece)
    wanted = -sum(plain_log_likelihood(model.network, *split(items, row)) for row in chosen)
    assert float(loss.detach()) == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("end", [True, False])
@pytest.mark.parametrize("normalisation", list(Normalisation))
@pytest.mark.parametrize(("task", "text"), [(tiny.NLI, NLI_TEXT), (CHOICE, CHOICE_TEXT)])
def test_ranking_is_what_brute_force_finds(model, world, task, text, normalisation, end):
    examples = rows_of(world, task, "xa", 7) if task is tiny.NLI else CHOICES
    text = replace(text, decision=Rank(normalisation, end))
    found = model.evaluator(world, text).predict(examples, task, None)
    candidates = [list(map(text.prompt.words, tiny.LABELS))] * 7 if task is tiny.NLI else examples.columns["choices"]
    for row, answers in enumerate(candidates):
        fields = {role: examples.columns[role][row] for role in text.prompt.roles}
        written = text.prompt.template.format(**fields)
        scores = []
        for answer in answers:
            if model.network.config.is_encoder_decoder:
                prompt = model.tokenizer(written)["input_ids"]
                ids = model.tokenizer(answer, add_special_tokens=False)["input_ids"]
            else:
                prompt = model.tokenizer(written)["input_ids"]
                ids = model.tokenizer(f"{written} {answer}")["input_ids"][len(prompt) :]
            ids = [*ids, *([model.tokenizer.eos_token_id] if end else [])]
            size = {"NONE": 1, "TOKENS": len(ids), "CHARACTERS": len(answer)}[normalisation.name]
            scores.append(plain_log_likelihood(model.network, prompt, ids) / size)
        shares = torch.tensor(scores).softmax(dim=0).tolist()
        told = found.records[row]["probabilities"]
        told = [told[label] for label in tiny.LABELS] if task is tiny.NLI else told
        assert told == pytest.approx(shares, abs=1e-4)
        best = max(range(len(answers)), key=scores.__getitem__)
        assert found.predictions[row] == (tiny.LABELS[best] if task is tiny.NLI else best)


@pytest.mark.parametrize(("task", "text"), [(CHOICE, CHOICE_TEXT), (ANSWERS, ANSWER_TEXT), (TAGGED, TAG_TEXT)])
def test_together_or_one_by_one(model, world, task, text):
    examples = {"choice": CHOICES, "answers": QUESTIONS, "tagged": SENTENCES}[task.name]
    together = model.evaluator(world, text).predict(examples, task, None)
    alone = model.evaluator(world, text, items=1).predict(examples, task, None)
    assert together.golds == alone.golds
    if task is ANSWERS:
        assert [each["text"] for each in together.predictions] == [each["text"] for each in alone.predictions]
        shares = [[each["no_answer"] for each in found.predictions] for found in (together, alone)]
        assert shares[0] == pytest.approx(shares[1], abs=1e-4)
    else:
        assert together.predictions == alone.predictions


def test_written_labels_are_matched_or_counted(decoder, world, monkeypatch):
    text = replace(NLI_TEXT, decision=Generate(), answer_tokens=6)
    examples = rows_of(world, tiny.NLI, "en", 3)
    answers = [" Never ", "yes or no", "maybe"]
    monkeypatch.setattr(writing, "written", lambda _, piece: [answers[place] for place in piece.sequences])
    found = decoder.evaluator(world, text).predict(examples, tiny.NLI, None)
    assert found.predictions == ["contradiction", "", "neutral"]
    assert found.details == {"without_label": 1}


def test_no_answer_has_the_probability_of_its_words(model, world):
    found = model.evaluator(world, ANSWER_TEXT).predict(QUESTIONS, ANSWERS, None)
    items = items_of(model, ANSWERS, ANSWER_TEXT, QUESTIONS)
    likelihood = plain_log_likelihood(model.network, *split(items, 1))
    assert found.predictions[1]["no_answer"] == pytest.approx(float(torch.tensor(likelihood).exp()), rel=1e-3)


def test_prompts_are_cut_where_texts_are_longest(decoder):
    long, short = " ".join(WORDS * 3), WORDS[0]
    reading = decoder.reading(NLI_TEXT, 60)
    fields = [{"text": long, "pair": short}, {"text": short, "pair": short}, {"text": long, "pair": long}]
    prompted = encode_prompts([NLI_TEXT.prompt] * 3, fields, [40] * 3, reading)
    assert [len(ids) <= 40 for ids in prompted.encoded.ids] == [True] * 3
    assert prompted.encoded.truncated == 2
    read = [decoder.tokenizer.decode(ids, skip_special_tokens=True) for ids in prompted.encoded.ids]
    assert all(each.endswith(" answer:") for each in read)
    assert f"question: {short} answer:" in read[0]
    first, second = read[2].removesuffix(" answer:").split(" question: ")
    assert abs(len(first.split()) - len(second.split())) <= 1
    with pytest.raises(UserError, match="leave no room"):
        encode_prompts([NLI_TEXT.prompt], fields[:1], [3], reading)


def test_a_long_row_keeps_its_whole_answer(model, world):
    examples = Examples(
        rows=(0,), columns={"text": [" ".join(WORDS * 4)], "pair": [" ".join(WORDS * 4)], "label": ["neutral"]}
    )
    items = items_of(model, tiny.NLI, NLI_TEXT, examples, max_length=64)
    prompt, answer = split(items, 0)
    assert shown(model, answer).strip() == "maybe"
    assert len(prompt) <= 64 if model.network.config.is_encoder_decoder else len(prompt) + len(answer) <= 64
    assert items.encoded.truncated == 1


def test_an_answer_that_runs_into_its_prompt_is_refused(decoder, world):
    """Behind a space that the prompt ends with, the tokenizer makes one token of space and answer."""
    examples = rows_of(world, tiny.NLI, "en", 1)
    prompt = Prompt(
        "{text} {pair} ", tuple((label, word) for label, word in zip(tiny.LABELS, WORDS, strict=False)), separator=""
    )
    with pytest.raises(UserError, match="joins the end of the prompt"):
        items_of(decoder, tiny.NLI, Text(prompt), examples)


def test_prompts_of_languages(model, world):
    english = replace(
        NLI_TEXT.prompt, by_language=(("xa", Prompt("{pair} nusa {text} papu:", NLI_TEXT.prompt.answers)),)
    )
    text = Text(english)
    examples = rows_of(world, tiny.NLI, "xa", 2)
    prompt, _ = split(items_of(model, tiny.NLI, text, examples), 0)
    assert "nusa" in shown(model, prompt)
    assert "question:" not in shown(model, prompt)
    other, _ = split(items_of(model, tiny.NLI, text, rows_of(world, tiny.NLI, "en", 2)), 0)
    assert "question:" in shown(model, other)


def test_a_conversation_is_the_checkpoints_own(decoder, world):
    examples = rows_of(world, tiny.TOPIC, "en", 1) if tiny.TOPIC.evaluation else Examples(
        rows=(0,), columns={"text": [" ".join(WORDS[:3])], "label": ["sea"]}
    )  # fmt: skip
    text = replace(TOPIC_TEXT, chat=True)
    with pytest.raises(UserError, match="no chat template"):
        items_of(decoder, tiny.TOPIC, text, examples)
    import copy

    talking = replace(decoder, tokenizer=copy.deepcopy(decoder.tokenizer))
    talking.tokenizer.chat_template = (
        "{% for m in messages %}<u>{{ m['content'] }}</u>{% endfor %}{% if add_generation_prompt %}<a>{% endif %}"
    )
    prompt, answer = split(items_of(talking, tiny.TOPIC, text, examples), 0)
    shown = text.prompt.template.format(text=examples.columns["text"][0])
    assert talking.tokenizer.decode(prompt) == f"<u>{shown}</u><a>"
    assert talking.tokenizer.decode(answer[:-1]) == "sea"


def test_every_word_has_one_tag(model, world):
    found = model.evaluator(world, TAG_TEXT).predict(SENTENCES, TAGGED, None)
    assert [len(tags) for tags in found.predictions] == [3, 5, 1]
    assert {tag for tags in found.predictions for tag in tags} <= set(TAGS)
    short = model.evaluator(world, TAG_TEXT, max_length=28).predict(SENTENCES, TAGGED, None)
    assert [len(tags) for tags in short.predictions] == [3, 5, 1]
    assert short.inputs.encoded[0].truncated > 0


def test_tags_are_chosen_as_one_by_one(model, world):
    """At each place the likeliest of what may come there, by the transformers model's own logits."""
    found = model.evaluator(world, TAG_TEXT).predict(SENTENCES, TAGGED, None)
    items = items_of(model, TAGGED, TAG_TEXT, SENTENCES)
    from adaptx.formats.text.tagging import _encode

    pieces, prompts = _encode(SENTENCES, TAGGED.format, model.reading(TAG_TEXT))
    end = model.tokenizer.eos_token_id
    assert len(items) == len(pieces) == 3
    for piece, prompt, tags in zip(pieces, prompts.encoded.ids, found.predictions, strict=True):
        rule, written = TaggingRule(piece.words, piece.tags, end), []
        while allowed := rule.allowed():
            scores = {token: plain_log_likelihood(model.network, prompt, [*written, token]) for token in allowed}
            written.append(max(scores, key=scores.__getitem__))
            rule.follow(written[-1])
        assert [TAGS[tag] for tag in rule.chosen] == tags


def test_tags_alone_are_learned(model):
    items = items_of(model, TAGGED, TAG_TEXT, SENTENCES)
    for row, (words, tags) in enumerate(zip(SENTENCES.columns["tokens"], SENTENCES.columns["tags"], strict=True)):
        _, answer = split(items, row)
        read = shown(model, answer).split()
        assert read == [each for pair in zip(words, tags, strict=True) for each in pair]
        learned = [answer[place] for place in items.targets[row].learned]
        assert items.units[row] == len(learned)
        told = shown(model, learned).split()
        # Behind `o`, from which `org` goes on, the first token of what follows is learned too.
        assert [each for each in told if each in TAGS] == tags
        assert len(told) <= len(tags) + tags.count("o")


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_rule_writes_what_is_trained_on(data):
    """Following the tokens of a training answer, the rule allows each and ends with the same tags."""
    token = st.integers(10, 15)
    tags = data.draw(st.lists(st.lists(token, min_size=1, max_size=3).map(tuple), min_size=2, max_size=4, unique=True))
    words = data.draw(
        st.lists(st.lists(st.integers(20, 23), min_size=1, max_size=3).map(tuple), min_size=1, max_size=4)
    )
    chosen = [data.draw(st.integers(0, len(tags) - 1)) for _ in words]
    known = Tags(tuple(tags))
    answer = tagged_answer(words, chosen, known, 1)
    rule = TaggingRule(words, known, 1)
    learned = []
    for place, each in enumerate(answer.ids):
        allowed = rule.allowed()
        if not allowed:
            assert place == len(answer.ids) - 1
            break
        assert each in allowed
        if len(allowed) > 1:
            learned.append(place)
        rule.follow(each)
    assert rule.chosen == chosen
    assert set(learned) <= set(answer.learned)


def test_rules_decide_when_an_answer_ends(decoder):
    """Prompts whose rule allows nothing are not read at all."""
    known = Tags(((5,), (6,)))
    rules = [TaggingRule([], known, 1), TaggingRule([(7,), (8, 9)], known, 1)]
    with torch.no_grad():
        found = greedy(decoder.network, [[4], [4, 4]], 20, 1, CPU, rules)
    assert found[0] == []
    assert [found[1][0], *found[1][2:4]] == [7, 8, 9]
    assert len(found[1]) == 5
    assert len(rules[1].chosen) == 2


def test_labels_of_a_format_without_words_stand_for_themselves(decoder, world):
    task = Task("sides", Classification(("left", "right")))
    examples = Examples(rows=(0, 1), columns={"text": [WORDS[0], WORDS[1]], "label": ["right", "left"]})
    found = decoder.evaluator(world, TOPIC_TEXT).predict(examples, task, None)
    assert set(found.predictions) <= {"left", "right"}
    assert found.golds == ["right", "left"]
