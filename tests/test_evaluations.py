"""What a recipe writes in one line: evaluations in many languages, a task in few, a checkpoint at several sizes."""

import dataclasses

import pytest

from adaptx import Evaluate, Hidden, Lora, Mixture, Train, TrainConfig, evaluations
from adaptx.catalog import BUCC, E5_MINI, E5_SMALL, MNLI, NLI, SQUAD, TATOEBA, XNLI
from adaptx.errors import UserError

TRAIN = Train(E5_MINI, NLI, Lora(), TrainConfig(1e-3, epochs=1))


def test_evaluations_are_one_per_language() -> None:
    assert evaluations(TRAIN, NLI) == tuple(Evaluate(TRAIN, NLI, language) for language in NLI.languages)
    found = evaluations(E5_MINI, TATOEBA, ["id", "fi"], 30, precision="bf16", framing=Hidden(layer=2))
    assert found == tuple(
        Evaluate(E5_MINI, TATOEBA, language, limit=30, precision="bf16", framing=Hidden(layer=2))
        for language in ("id", "fi")
    )
    assert evaluations(TRAIN, NLI, ()) == ()


def test_evaluations_refuse_other_languages_and_a_text() -> None:
    with pytest.raises(UserError, match="no evaluation rows in 'xx'; it has en"):
        evaluations(TRAIN, NLI, ("en", "xx"))
    with pytest.raises(UserError, match=r"languages='en'\) takes a tuple of languages; write \('en',\)"):
        evaluations(TRAIN, NLI, "en")


def test_a_task_is_measured_in_some_of_its_languages() -> None:
    few = XNLI.in_languages("ur", "de")
    assert few.languages == ("ur", "de")
    assert dataclasses.replace(few, evaluation=XNLI.evaluation) == XNLI
    with pytest.raises(UserError, match="task xnli has no evaluation rows in 'gn'"):
        XNLI.in_languages("gn")


def test_a_task_selects_on_the_first_development_rows_of_one_set() -> None:
    (rows,) = XNLI.selected_on(500, MNLI).development
    assert (rows.address, rows.first, rows.stop, rows.expected) == (MNLI.development[0].address, 0, 500, 500)
    (whole,) = SQUAD.development
    assert SQUAD.selected_on(10**6).development[0].expected == whole.expected
    with pytest.raises(UserError, match="bucc has 0 development sets"):
        dataclasses.replace(BUCC, development=()).selected_on(5)


def test_passages_are_longer_than_sentences() -> None:
    assert SQUAD.reads_passages
    assert not NLI.reads_passages
    assert Mixture((NLI, SQUAD)).reads_passages
    assert not Mixture((NLI, MNLI)).reads_passages


def test_a_checkpoint_is_cut_to_the_sizes_that_it_has() -> None:
    assert [model.layers for model in E5_SMALL.cuts(3, 6, 12, 24)] == [3, 6, None]
    assert E5_SMALL.cuts(24) == (E5_SMALL,)
