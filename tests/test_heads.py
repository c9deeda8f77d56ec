"""Heads on disk and their labels: each comes back bit for bit, under the place of its task in the training."""

import dataclasses
import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support import tiny

from adaptx.errors import UserError
from adaptx.execution.building import finished_model, head_name, model_to_train
from adaptx.formats.heads import FILE, LinearHead, for_labels, load_head, save_heads
from adaptx.formats.interface import TrainedHead
from adaptx.specs import (
    Classification,
    Evaluate,
    KeptHead,
    Lora,
    Mixture,
    MultipleChoice,
    QuestionAnswering,
    Retrieval,
    Sequential,
    Tagging,
    Task,
    Uniform,
)
from adaptx.store.records import HEADS_HEADER_FILE

LABELS = ("a", "b", "c", "d")
OUTPUTS = {
    Classification(LABELS[:3]): 3,
    Classification(LABELS): 4,
    MultipleChoice(): 1,
    Tagging(LABELS): 4,
    QuestionAnswering(stride=7): 2,
}


def empty(task_format) -> LinearHead:
    return LinearHead(tiny.HIDDEN_SIZE, OUTPUTS[task_format], 0.0)


def shaken(task_format, seed: int = 1) -> TrainedHead:
    """A head with values of its own, its bias too."""
    head = empty(task_format)
    tiny.shake(head.parameters(), seed)
    return TrainedHead(head, task_format)


def equal(left: torch.nn.Module, right: torch.nn.Module) -> bool:
    ours, theirs = left.state_dict(), right.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_heads_of_many_formats_come_back_from_one_file(tmp_path):
    heads = {str(place): shaken(task_format, place) for place, task_format in enumerate(OUTPUTS)}
    save_heads(heads, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted((FILE, HEADS_HEADER_FILE))
    for name, head in heads.items():
        found = load_head(tmp_path, name, empty)
        assert found.format == head.format
        assert equal(found.module, head.module)
        assert found.module.linear.weight.requires_grad


def test_names_that_begin_alike_are_kept_apart(tmp_path):
    heads = {name: shaken(Classification(LABELS), seed) for seed, name in enumerate(("1", "10", "11"))}
    save_heads(heads, tmp_path)
    for name, head in heads.items():
        assert equal(load_head(tmp_path, name, empty).module, head.module)


def test_a_training_without_heads_writes_no_file(tmp_path):
    save_heads({}, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_head_of_another_version_is_refused(tmp_path):
    save_heads({"0": shaken(MultipleChoice())}, tmp_path)
    header = tmp_path / HEADS_HEADER_FILE
    header.write_text(json.dumps({**json.loads(header.read_text()), "version": 1}))
    with pytest.raises(UserError, match=r"has heads of version 1, but this adaptx reads version 2; train"):
        load_head(tmp_path, "0", empty)


@pytest.mark.parametrize("kind", [Classification, Tagging])
@given(order=st.permutations(LABELS))
def test_a_head_follows_the_order_of_the_labels(kind, order):
    head = shaken(kind(LABELS))
    states_ND = torch.randn(5, tiny.HIDDEN_SIZE, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        before_NC = head.module(states_ND)
        after_NC = for_labels(head, kind(tuple(order)))(states_ND)
    for place, label in enumerate(order):
        assert torch.equal(after_NC[:, place], before_NC[:, LABELS.index(label)])


def test_a_head_without_labels_stays_as_it_is():
    head = shaken(QuestionAnswering(stride=7))
    before = {name: tensor.clone() for name, tensor in head.module.state_dict().items()}
    after = for_labels(head, QuestionAnswering(stride=9))
    assert all(torch.equal(tensor, before[name]) for name, tensor in after.state_dict().items())


def test_logits_are_computed_in_fp32_under_autocast():
    head = shaken(Classification(LABELS)).module
    states_ND = torch.randn(5, tiny.HIDDEN_SIZE, generator=torch.Generator().manual_seed(2))
    expected_NC = head(states_ND)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(head(states_ND), expected_NC)
        assert head(states_ND.bfloat16()).dtype == torch.float32


# The heads of mixtures.

PAIRS = Task(
    "pairs",
    Retrieval(),
    (tiny.rows("nli", "en", "train", (("query", "premise"), ("candidate", "hypothesis"))),),
    metrics=("map_at_20",),
)
OTHER = dataclasses.replace(tiny.NLI, name="other")
LORA = Lora(4, 8)


def training(world, *tasks, shared_heads: bool = False):
    mixture = Mixture(tasks, Uniform(), shared_heads)
    return tiny.train(world.bert, mixture, LORA, setting=tiny.config(learning_rate=2e-2))


def stored_heads(world, folder, train) -> tuple:
    """(workshop, formats by head's name) once the training is stored."""
    plan, shop, summary = tiny.execute(world, folder, (Evaluate(train, tiny.TATOEBA, "xa"),))
    assert summary.complete, summary.failed
    header = tiny.folder_of(plan, shop, train) / HEADS_HEADER_FILE
    return shop, json.loads(header.read_text())["heads"] if header.is_file() else {}


def test_each_task_of_a_mixture_has_a_head_by_its_place(world, tmp_path):
    train = training(world, tiny.TOPIC, PAIRS, tiny.NLI_TURNED, tiny.NLI)
    shop, found = stored_heads(world, tmp_path, train)
    labels = {"0": tiny.TOPICS, "2": tiny.NLI_TURNED.format.labels, "3": tiny.LABELS}
    assert {name: tuple(each["labels"]) for name, each in found.items()} == labels, "a dual encoder has no head"
    model = finished_model(train, shop, "fp32")
    assert {name: head.format.labels for name, head in model.heads.items()} == labels
    assert not any(head.module.training for head in model.heads.values())
    weights = [head.module.linear.weight for head in model.heads.values()]
    assert not any(torch.equal(weights[one], weights[other]) for one, other in ((0, 1), (0, 2), (1, 2)))


def test_equal_formats_share_a_head_where_the_mixture_says_so(world, tmp_path):
    tasks = (tiny.TOPIC, tiny.NLI, OTHER, tiny.NLI_TURNED)
    train = training(world, *tasks, shared_heads=True)
    assert [head_name(train, task) for task in tasks] == ["0", "1", "1", "3"], "another order of labels is another head"
    _, found = stored_heads(world, tmp_path, train)
    assert set(found) == {"0", "1", "3"}


def test_a_training_of_pairs_alone_has_no_head(world, tmp_path):
    train = tiny.train(world.bert, PAIRS, LORA)
    shop, found = stored_heads(world, tmp_path, train)
    assert found == {}
    assert finished_model(train, shop, "fp32").heads == {}


@pytest.mark.parametrize("shared_heads", [False, True])
def test_a_later_training_goes_on_with_the_right_head_of_a_mixture(world, tmp_path, shared_heads):
    earlier = training(world, tiny.TOPIC, tiny.NLI, OTHER, shared_heads=shared_heads)
    shop, _ = stored_heads(world, tmp_path, earlier)
    heads = finished_model(earlier, shop, "fp32").heads

    def kept(task) -> dict[str, TrainedHead]:
        train = tiny.train(world.bert, task, LORA, start=Sequential(earlier), head=KeptHead())
        _, shop = tiny.workshop(world, tmp_path, (Evaluate(train, tiny.TATOEBA, "xa"),))
        return model_to_train(train, shop).heads

    for task in earlier.tasks:
        assert equal(kept(task)["0"].module, heads[head_name(earlier, task)].module)
    both = kept(Mixture((OTHER, tiny.TOPIC)))
    assert equal(both["0"].module, heads[head_name(earlier, OTHER)].module)
    assert equal(both["1"].module, heads["0"].module)
    # Under its namesake's head, with the labels in the later task's order.
    turned = kept(dataclasses.replace(tiny.NLI_TURNED, name="other"))["0"]
    rows = [tiny.LABELS.index(label) for label in tiny.NLI_TURNED.format.labels]
    assert torch.equal(turned.module.linear.weight, heads[head_name(earlier, OTHER)].module.linear.weight[rows])


def test_heads_are_found_under_tasks_other_names(world, tmp_path):
    """Names are not identity: a stage that was stored under others answers, and so must its heads."""
    train = training(world, tiny.TOPIC, tiny.NLI)
    renamed = training(world, *(dataclasses.replace(task, name=f"my.{task.name} again") for task in train.tasks))
    shop, _ = stored_heads(world, tmp_path, train)
    plan, other_shop = tiny.workshop(world, tmp_path, (Evaluate(renamed, tiny.NLI, "xa"),))
    assert plan.fingerprint_of(renamed) == shop.fingerprint_of(train)
    ours, theirs = finished_model(train, shop, "fp32").heads, finished_model(renamed, other_shop, "fp32").heads
    assert ours.keys() == theirs.keys()
    assert all(equal(ours[name].module, theirs[name].module) for name in ours)


def test_heads_of_a_mixture_begin_as_those_of_its_tasks_alone(world, tmp_path):
    mixed = training(world, tiny.TOPIC, tiny.NLI)
    alone = [tiny.train(world.bert, task, Lora(16), setting=mixed.config) for task in mixed.tasks]
    _, shop = tiny.workshop(world, tmp_path, tuple(Evaluate(each, tiny.TATOEBA, "xa") for each in (mixed, *alone)))
    together = model_to_train(mixed, shop).heads
    for place, train in enumerate(alone):
        assert equal(together[str(place)].module, model_to_train(train, shop).heads["0"].module)
