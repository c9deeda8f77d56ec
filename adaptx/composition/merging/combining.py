"""The functions that compute the merge rules, and `combine`, which applies a rule to the updates of one tensor."""

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from adaptx.composition.merging.dare import dare
from adaptx.composition.merging.linear import weighted_sum
from adaptx.composition.merging.pruning import magnitude_pruning
from adaptx.composition.merging.svd import svd_rank
from adaptx.composition.merging.ties import ties
from adaptx.composition.merging.updates import Combine, Update
from adaptx.specs import Dare, MagnitudePruning, MergeRule, SvdRank, Ties

_ARITHMETIC: dict[type[MergeRule], Callable[[Sequence[Update], Any, object, Combine], Tensor]] = {
    Ties: ties,
    Dare: dare,
    MagnitudePruning: magnitude_pruning,
    SvdRank: svd_rank,
}
"""The function of each rule. It is called with the updates, the rule, the tensor's key and `combine`. Rules that are
weighted sums need no entry.
"""


def combine(updates: Sequence[Update], rule: MergeRule, key: object) -> Tensor:
    """Return the merged update in fp32.

    key: the tensor's key (layer, site, tensor). Random rules, such as `Dare`, draw different numbers for each key.
    """
    weights = rule.linear_weights(len(updates))
    if weights is not None:
        return weighted_sum(updates, weights)
    return _ARITHMETIC[type(rule)](updates, rule, key, combine)
