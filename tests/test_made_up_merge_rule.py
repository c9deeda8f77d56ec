"""A merge rule that is made up here goes the whole way, by the steps that docs/development.md gives for a new one."""

from collections.abc import Sequence
from dataclasses import FrozenInstanceError

import pytest
import torch
from support import needs, tiny
from torch import Tensor

import adaptx.specs
from adaptx.composition.merging import combining
from adaptx.composition.merging.updates import Combine, Update, by_blocks, of_tensor
from adaptx.errors import UserError
from adaptx.specs import (
    Bottleneck,
    Dare,
    Full,
    Linear,
    Lora,
    MagnitudePruning,
    Merge,
    Merged,
    MergeRule,
    NoHead,
    SvdRank,
    TaskArithmetic,
    Ties,
    WeightSearch,
    plain,
)  # fmt: skip
from adaptx.specs.checked import spec
from adaptx.specs.kinds import kind_of
from adaptx.specs.plain import from_plain, to_plain
from adaptx.specs.ranges import PositiveShare

RULES = (Linear, TaskArithmetic, Ties, Dare, MagnitudePruning, SvdRank)
SAMPLES = (*(kind() for kind in RULES if kind is not SvdRank), SvdRank(2))


# specs/merge.py
@spec
class Middle(MergeRule):
    """`share` times the median of the updates, entry by entry."""

    share: PositiveShare = 1.0

    @property
    def search(self) -> WeightSearch | None:
        return None

    @property
    def given_weights(self) -> tuple[float, ...] | None:
        return None

    @property
    def negates(self) -> bool:
        return False

    @property
    def merged_rank(self) -> int | None:
        return None

    def linear_weights(self, count: int) -> tuple[float, ...] | None:
        return (self.share,) if count == 1 else None


# composition/merging/middle.py
def middle(updates: Sequence[Update], rule: Middle, _key: object, _combine: Combine) -> Tensor:
    return by_blocks(updates, lambda blocks: torch.stack(list(blocks)).median(dim=0).values * rule.share)


@pytest.fixture
def added(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its two entries: among the specs that are read back, and in the dict of arithmetic."""
    monkeypatch.setitem(plain._TYPES, "Middle", Middle)
    monkeypatch.setitem(combining._ARITHMETIC, Middle, middle)


@pytest.mark.parametrize("method", [Lora(4, 8), Full(), pytest.param(Bottleneck(8), marks=needs.adapters)], ids=str)
def test_it_is_planned_merged_stored_read_again_and_continued(added, world, tmp_path, method) -> None:
    model = world.bert
    trainings = tuple(tiny.train(model, task, method, keep=True) for task in (tiny.NLI, tiny.NLI_TURNED, tiny.TOPIC))
    merge = Merge(trainings, Middle(0.5), NoHead(), keep=True)
    further = tiny.train(model, tiny.NLI, merge.method, start=Merged(merge), keep=True)
    stages = (tiny.Evaluate(merge, tiny.TATOEBA, "xa"), *tiny.everywhere(further))
    plan, shop, summary = tiny.execute(world, tmp_path, stages, keep=True)
    assert summary.complete, summary.failed
    assert "merged-middle" in next(node.name for node in plan.nodes if node.stage == further)
    module = shop.module(merge)
    assert module.method == merge.method
    if isinstance(method, Bottleneck):
        for key, tensor in module.tensors.items():
            every = torch.stack([shop.module(training).tensors[key] for training in trainings])
            torch.testing.assert_close(tensor, 0.5 * every.median(dim=0).values)
    assert from_plain(to_plain(merge)) == merge


def test_what_it_lacks_is_refused_by_the_general_rules(added, world) -> None:
    with pytest.raises(UserError, match="share"):
        Middle(0.0)
    assert kind_of(MergeRule).read(Middle()) == Middle()


@pytest.mark.parametrize("rule", SAMPLES, ids=lambda rule: type(rule).__name__)
def test_a_rule_says_everything(rule: MergeRule) -> None:
    assert rule.search is None
    assert rule.given_weights is None
    assert not rule.negates
    assert rule.merged_rank == (2 if isinstance(rule, SvdRank) else None)
    weights = rule.linear_weights(3)
    assert weights is None or len(weights) == 3
    assert (weights is None) == (type(rule) in combining._ARITHMETIC) or isinstance(rule, SvdRank)
    updates = [of_tensor(torch.full((2, 2), float(value))) for value in (1, 2, 3)]
    assert combining.combine(updates, rule, "key").shape == (2, 2)
    assert from_plain(to_plain(rule)) == rule
    with pytest.raises(FrozenInstanceError):
        rule.search = None  # pyright: ignore[reportAttributeAccessIssue]


def test_every_rule_is_walked_and_has_a_public_name() -> None:
    known = [each for each in MergeRule.__subclasses__() if each.__module__.startswith("adaptx.")]
    assert sorted(known, key=repr) == sorted(RULES, key=repr)
    assert {kind.__name__ for kind in RULES} <= set(adaptx.specs.__all__)
    assert set(combining._ARITHMETIC) <= set(RULES)


def test_a_rule_that_leaves_a_fact_out_cannot_be_made() -> None:
    half = type("Half", (MergeRule,), {"search": None, "given_weights": None, "negates": False})
    with pytest.raises(TypeError, match=r"abstract.*linear_weights"):
        half()
