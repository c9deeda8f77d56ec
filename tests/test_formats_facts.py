"""Every format states every fact about itself and has what carries it out; nothing is assumed where one is silent."""

from typing import get_args

import pytest

from adaptx.catalog import TASKS
from adaptx.exporting.library_heads import AUTO_CLASSES
from adaptx.exporting.script import ROWS
from adaptx.formats import FORMATS, TEXT_FORMATS, behaviour
from adaptx.metrics import METRICS
from adaptx.specs import Classification, ModelFamily, Tagging, TaskFormat
from adaptx.specs.formats.facts import AsText, Facts, NotAsText
from adaptx.specs.task import CLUSTER_ROLE

FACTS = sorted(name for name in vars(Facts) if not name.startswith("_"))
LABELS = ("yes", "no")
SAMPLES = {kind: kind(LABELS) if kind in (Classification, Tagging) else kind() for kind in get_args(TaskFormat)}


@pytest.mark.parametrize("kind", SAMPLES)
def test_a_format_states_every_fact(kind: type[TaskFormat]) -> None:
    missing = [name for name in FACTS if not hasattr(SAMPLES[kind], name)]
    assert len(FACTS) > 15
    assert not missing


def test_a_format_that_lacks_a_fact_is_found() -> None:
    class Silent:
        labels = ()

    assert [name for name in FACTS if not hasattr(Silent(), name)] == [name for name in FACTS if name != "labels"]


@pytest.mark.parametrize("kind", SAMPLES)
def test_facts_of_a_format_agree_with_one_another(kind: type[TaskFormat]) -> None:
    task_format = SAMPLES[kind]
    roles = {role for each in task_format.row_kinds for role in (*each.needed, *each.optional, *each.trained)}
    assert roles
    assert task_format.roles_in("train", False) in task_format.row_kinds
    assert {*task_format.shared_roles} <= roles
    assert not {*task_format.text_roles} & {*task_format.list_roles}
    assert {*task_format.text_roles, *task_format.list_roles, *task_format.gold_roles} >= roles - {"id"}
    assert {*task_format.default_metrics} <= {*task_format.metrics} <= {*METRICS}
    assert task_format.texts_per_row > 0
    assert task_format.sequences_per_item > 0


@pytest.mark.parametrize("kind", SAMPLES)
def test_a_format_is_carried_out_in_the_framings_that_it_states(kind: type[TaskFormat]) -> None:
    asked = kind.as_text
    assert (kind in TEXT_FORMATS) == isinstance(asked, AsText)
    assert (kind in FORMATS) == (set(kind.hidden_refused) != {*ModelFamily})
    assert kind in FORMATS or kind in TEXT_FORMATS
    for formats in (FORMATS, TEXT_FORMATS):
        assert kind not in formats or (formats[kind].training is not None) == kind.is_trained
    if isinstance(asked, AsText):
        assert asked.roles
        assert asked.decisions
        assert not {*asked.roles} & {*kind.gold_roles}
    else:
        assert isinstance(asked, NotAsText)
        assert asked.reason
    trained_over_states = kind in FORMATS and kind.is_trained
    assert (kind in ROWS) == trained_over_states
    assert (kind in AUTO_CLASSES) == (trained_over_states and not kind.embeds)
    if trained_over_states:
        assert (behaviour(SAMPLES[kind]).training.new_head is None) == kind.embeds


@pytest.mark.parametrize("task", TASKS.values(), ids=lambda task: task.name)
def test_rows_of_the_catalog_have_roles_of_their_format(task) -> None:
    known = {role for each in task.format.row_kinds for role in (*each.needed, *each.optional, *each.trained)}
    sets = (*task.train, *task.development, *task.evaluation, *task.pool)
    assert {role for rows in sets for role, _ in rows.columns} <= {*known, CLUSTER_ROLE}
