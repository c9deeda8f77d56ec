"""In which languages a score is zero-shot, by what was trained on the way."""

import dataclasses

import pytest

from adaptx.catalog import COPA, E5_MINI, INDONLI, MNLI, PANX, SIB200, SNLI, SQUAD, TASKS, UDPOS, XCOPA, XQUAD
from adaptx.planning.lineage import alike, serves
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


def test_what_a_head_answers_is_never_zero_shot() -> None:
    """Who asks whether a head serves a task and who asks what was trained on go by one rule."""
    one_of_each = {(type(t.format), frozenset(getattr(t.format, "labels", ()))): t for t in TASKS.values()}.values()
    trained = [task for task in one_of_each if task.train]
    served = 0
    for first in trained:
        for second in one_of_each:
            sources = source_languages(Evaluate(after(in_german(first)), second, second.languages[0]))
            assert ("de" in sources) >= serves(first.format, second.format), (first.name, second.name)
            assert alike(first.format, second.format) == alike(second.format, first.format)
            served += serves(first.format, second.format)
    assert served >= len([task for task in trained if not task.format.embeds])


def test_few_shot_rows_of_a_target_language_make_it_a_source() -> None:
    some: Rows = XQUAD.rows_in("ru")
    few = dataclasses.replace(XQUAD, train=(*XQUAD.train, some))
    assert source_languages(Evaluate(train(few), XQUAD, "ru")) == {"en", "ru"}


def test_a_language_trained_on_under_another_code_is_no_zero_shot_one() -> None:
    german = dataclasses.replace(
        SQUAD, train=tuple(dataclasses.replace(rows, language="deu_Latn") for rows in SQUAD.train)
    )
    assert source_languages(Evaluate(after(german, XQUAD), XQUAD, "de")) >= {"de", "en"}
