"""A rule over one tensor's updates."""

from collections.abc import Sequence

from torch import Tensor

from adaptx.composition.merging.dare import dropped
from adaptx.composition.merging.linear import linear_weights, weighted_sum
from adaptx.composition.merging.pruning import pruned
from adaptx.composition.merging.ties import ties
from adaptx.composition.merging.updates import Update
from adaptx.specs import Dare, MagnitudePruning, MergeRule, SvdRank, Ties


def combine(updates: Sequence[Update], rule: MergeRule, key: object) -> Tensor:
    """The merged update, fp32; `key` (layer, site, tensor) tells random draws apart."""
    weights = linear_weights(rule, len(updates))
    if weights is not None:
        return weighted_sum(updates, weights)
    match rule:
        case Ties():
            return ties(updates, rule)
        case Dare():
            return combine(dropped(updates, rule, key), rule.combine, key)
        case MagnitudePruning():
            return combine(pruned(updates, rule.density), rule.combine, key)
        case SvdRank():
            return combine(updates, rule.combine, key)
        case _:
            raise AssertionError(f"{rule} is a weighted sum")
