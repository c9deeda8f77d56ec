"""In which languages a score is zero-shot, by what was trained on the way."""

import dataclasses

import pytest

from adaptx.catalog import COPA, E5_MINI, INDONLI, MNLI, PANX, SIB200, SNLI, SQUAD, UDPOS, XCOPA, XQUAD
from adaptx.planning.zero_shot import source_languages
from adaptx.specs import (
    Evaluate,
    Lora,
    Mixture,
    ModelSpec,
    Pretrained,
    Rows,
    Sequential,
    Start,
    Task,
    Train,
    TrainConfig,
)


def train(task: Task | Mixture, start: Start = Pretrained()) -> Train:  # noqa: B008
    return Train(E5_MINI, task, Lora(), TrainConfig(learning_rate=1e-3, max_steps=1), start)


def after(task: Task | Mixture, target: Task | None = None) -> Train:
    """The target trained after a task; the task's own training where there is no target."""
    return train(task) if target is None else train(target, Sequential(train(task)))


def in_german(task: Task) -> Task:
    return dataclasses.replace(task, train=tuple(dataclasses.replace(rows, language="de") for rows in task.train))


@pytest.mark.parametrize(
    ("model", "task", "expected"),
    [
        (after(INDONLI, MNLI), MNLI, {"en", "id"}),
        (after(SIB200, MNLI), MNLI, {"en"}),
        (after(in_german(SQUAD), XQUAD), XQUAD, {"en", "de"}),
        (after(in_german(SQUAD), MNLI), MNLI, {"en"}),
        (after(in_german(PANX), PANX), PANX, {"en", "de"}),
        (after(in_german(UDPOS), PANX), PANX, {"en"}),
        (after(in_german(COPA), XCOPA), XCOPA, {"en", "de"}),
        (after(Mixture((in_german(SQUAD), SNLI)), XQUAD), XQUAD, {"en", "de"}),
        (after(Mixture((in_german(SQUAD), SNLI)), MNLI), MNLI, {"en"}),
        (E5_MINI, XQUAD, {"en"}),
    ],
)
def test_sources_are_the_tasks_own_and_those_of_the_same_kind(
    model: ModelSpec | Train, task: Task, expected: set[str]
) -> None:
    assert source_languages(Evaluate(model, task, task.languages[0])) == expected


def test_few_shot_rows_of_a_target_language_make_it_a_source() -> None:
    some: Rows = XQUAD.rows_in("ru")
    few = dataclasses.replace(XQUAD, train=(*XQUAD.train, some))
    assert source_languages(Evaluate(train(few), XQUAD, "ru")) == {"en", "ru"}


def test_a_language_trained_on_under_another_code_is_no_zero_shot_one() -> None:
    german = dataclasses.replace(
        SQUAD, train=tuple(dataclasses.replace(rows, language="deu_Latn") for rows in SQUAD.train)
    )
    assert source_languages(Evaluate(after(german, XQUAD), XQUAD, "de")) >= {"de", "en"}
