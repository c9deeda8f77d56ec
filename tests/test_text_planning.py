"""Text framings when planning: identity, what is refused and why, specs to JSON and back."""

from dataclasses import replace

import pytest
from support import tiny
from support.text_bench import NLI_TEXT, add_models

from adaptx.catalog import COPA, MNLI, MT5_SMALL, NTREX_MLM, QWEN3_600M, SQUAD, TATOEBA, UDPOS, XLMR_BASE
from adaptx.catalog.prompts import NLI_YES_NO, PROMPTS, find_prompt
from adaptx.cli.views.prompts import formats_of
from adaptx.errors import UserError
from adaptx.planning.framings import evaluation_framing
from adaptx.planning.identity import Identities
from adaptx.planning.support import refusal
from adaptx.specs import (
    Best,
    Evaluate,
    Fuse,
    Generate,
    Hidden,
    KeptHead,
    Linear,
    Lora,
    Merge,
    Mixture,
    NoHead,
    Prompt,
    Rank,
    Sequential,
    Text,
    Train,
    TrainConfig,
    Uniform,
)
from adaptx.specs.plain import from_plain, to_plain

CONFIG = TrainConfig(learning_rate=1e-3, max_steps=1)
LORA = Lora(4, 8)
NLI = Text(NLI_YES_NO)
DECODER = QWEN3_600M


def train(model=DECODER, task=MNLI, framing=NLI, **more):
    return Train(model, task, more.pop("method", LORA), more.pop("config", CONFIG), framing=framing, **more)


REFUSED = {
    "encoder": (train(XLMR_BASE), "is an encoder, which writes no text"),
    "vectors": (Evaluate(DECODER, TATOEBA, "fr", framing=NLI), "no text framing: sentences are compared as vectors"),
    "masks": (train(task=NTREX_MLM), "masked words are filled in by an encoder's head"),
    "unknown role": (
        train(framing=Text(Prompt("{premise} Answer:"))),
        "shows premise, but rows of a Classification task have",
    ),
    "role without column": (
        train(task=COPA, framing=Text(Prompt("{question} {text} {pair} Answer:"))),
        "shows pair, but rows of a MultipleChoice task have",
    ),
    "label without words": (
        train(framing=Text(Prompt("{text} Answer:", (("entailment", "yes"), ("neutral", "maybe"))))),
        "no words for the labels contradiction",
    ),
    "no cue": (train(framing=Text(Prompt("{text} {pair}"))), "cannot tell where to answer; add words such as"),
    "written choices": (
        train(task=COPA, framing=Text(Prompt("{text} Answer:"), Generate())),
        "use Text(decision=Rank())",
    ),
    "ranked answers": (
        train(task=SQUAD, framing=Text(Prompt("{question} {context} Answer:"), Rank())),
        "use Text(decision=Generate())",
    ),
    "kept head": (
        train(start=Sequential(train(config=replace(CONFIG, seed=2))), head=KeptHead()),
        "a Text(...) framing has none",
    ),
    "head of text": (
        Train(DECODER, MNLI, LORA, CONFIG, Sequential(train()), head=KeptHead()),
        "was trained with a Text(...) framing, which has no head",
    ),
    "fusion": (
        train(start=Fuse((train(config=replace(CONFIG, seed=2)), train(config=replace(CONFIG, seed=3))))),
        "use framing=Hidden(...)",
    ),
    "asked without a prompt": (
        Evaluate(DECODER, MNLI, "en"),
        "ask for answers as text with Evaluate(framing=Text(...))",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_the_reason(name):
    stage, reason = REFUSED[name]
    assert reason in (refusal(stage) or "nothing was refused")


def test_not_refused():
    """The same without the fault."""
    merge = Merge((train(), train(config=replace(CONFIG, seed=2))), Linear(), NoHead())
    for stage in (
        train(),
        train(MT5_SMALL, framing=Text(Prompt("{text} {pair}"))),
        train(framing=Text(Prompt("{text} {pair}"), chat=True)),
        train(config=replace(CONFIG, selection=Best(every=1))),
        train(start=Sequential(train(config=replace(CONFIG, seed=2)))),
        Evaluate(DECODER, MNLI, "en", framing=NLI),
        Evaluate(train(), MNLI, "en"),
        Evaluate(merge, MNLI, "en", framing=NLI),
        Evaluate(train(), COPA, "en", framing=Text(Prompt("{text} {question} Answer:"))),
    ):
        assert refusal(stage) is None


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Prompt("no role"), "shows no part of a row"),
        (lambda: Prompt("{text:>5}"), "write the name alone"),
        (lambda: Prompt("{0}"), "write the name alone"),
        (lambda: Prompt("{text}", (("a", "same"), ("b", "same"))), "words of its own"),
        (lambda: Prompt("{text}", by_language=(("en", Prompt("{text}")), ("en", Prompt("{text}")))), "one prompt"),
        (lambda: Text(Prompt("{text}"), answer_tokens=1), "answer_tokens must be at least 2"),
        (lambda: train(task=Mixture((MNLI, COPA), Uniform()), framing=(NLI,)), "1 framings for 2 tasks"),
    ],
)
def test_specs_refuse_what_means_nothing(make, said):
    with pytest.raises(UserError, match=said):
        make()


@pytest.fixture
def identities(world):
    return Identities(world.sources)


def fingerprint(identities, stage):
    return identities.of(stage).fingerprint


def test_words_are_identity_and_prompts_of_other_languages_are_not(world, identities):
    model = add_models(world)["llama"]
    plain = Train(model, tiny.NLI, LORA, CONFIG, framing=NLI_TEXT)
    prompt = NLI_TEXT.prompt
    elsewhere = replace(plain, framing=Text(replace(prompt, by_language=(("xa", Prompt("{pair} {text}:")),))))
    worded = replace(plain, framing=Text(replace(prompt, template="{text} {pair} answer:")))
    ranked = replace(plain, framing=Text(prompt, Generate()))
    assert fingerprint(identities, plain) == fingerprint(identities, elsewhere)
    others = {fingerprint(identities, each) for each in (plain, worded, ranked, replace(plain, framing=None))}
    assert len(others) == 4
    for language, same in (("xa", False), ("xb", True), ("en", True)):
        one, other = (fingerprint(identities, Evaluate(each, tiny.NLI, language)) for each in (plain, elsewhere))
        assert (one == other) == same


def test_a_common_prompt_is_the_same_as_one_for_that_language(world, identities):
    """Only what is read counts: where every row has its own prompt, the common one does not matter."""
    model = add_models(world)["llama"]
    own = replace(NLI_TEXT.prompt, template="{pair} {text}:", by_language=(("en", NLI_TEXT.prompt),))
    first, second = (Train(model, tiny.NLI, LORA, CONFIG, framing=text) for text in (NLI_TEXT, Text(own)))
    assert fingerprint(identities, first) == fingerprint(identities, second)


def test_specs_go_to_json_and_back():
    prompt = replace(NLI_YES_NO, by_language=(("de", Prompt("{text} {pair} Antwort:", NLI_YES_NO.answers)),))
    mixture = Mixture((MNLI, UDPOS), Uniform())
    for stage in (
        train(framing=Text(prompt, Rank(), chat=True)),
        train(task=mixture, framing=(Text(prompt), Hidden(layer=1))),
        Evaluate(DECODER, MNLI, "en", framing=Text(prompt, Generate())),
    ):
        assert from_plain(to_plain(stage)) == stage


def test_a_mixture_has_a_framing_for_each_task():
    both = train(task=Mixture((MNLI, UDPOS), Uniform()), framing=(NLI, Hidden(layer=1)))
    assert evaluation_framing(Evaluate(both, MNLI, "en")) == NLI.with_end(taught=True)
    assert evaluation_framing(Evaluate(both, UDPOS, "de")) == Hidden(layer=1)


@pytest.mark.parametrize("name", PROMPTS)
def test_prompts_of_the_catalog_show_roles_of_a_format(name):
    prompt = find_prompt(name)
    assert formats_of(prompt)
    assert name.startswith(("t5-", "mt5-")) != bool(prompt.tail)


def test_an_unknown_prompt_is_told_its_neighbours():
    with pytest.raises(UserError, match="near: t5-mnli"):
        find_prompt("t5-mnl")
