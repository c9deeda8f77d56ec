"""Scores of ranked candidates: LAReQA's mAP@20, and Mewsli-X's mAP@20, which is in fact a mean reciprocal rank."""

from collections.abc import Hashable, Sequence

from adaptx.errors import UserError
from adaptx.metrics.metric import Floats, Metric, check_lengths, mean, one_each

CUT = 20


def average_precision(relevant: Sequence[Hashable], ranked: Sequence[Hashable], cut: int | None) -> float:
    """Return the average precision in [0, 1]: the precision at each relevant item's rank, averaged over these items.

    An item that is ranked twice counts once. If `cut` is not None, only the first `cut` ranks are read. The sum of the
    precisions is then divided by `cut` if more items than that are relevant, so that a score of 1 is always possible.

    Source: xtreme utils_lareqa.py `average_precision_at_k` (Roy et al. 2020, arXiv:2004.05484).

    Raises:
        UserError: no item is relevant.
    """
    if not relevant:
        raise UserError(
            "a query has no relevant candidate, and average precision needs at least one; remove the query, or list "
            "its relevant candidates"
        )
    wanted = set(relevant)
    hits, score = 0, 0.0
    for rank, item in enumerate(ranked[:cut] if cut else ranked, start=1):
        if item in wanted:
            wanted.remove(item)
            hits += 1
            score += hits / rank
    return score / (min(len(relevant), cut) if cut else len(relevant))


def reciprocal_rank(gold: Hashable, ranked: Sequence[Hashable], cut: int) -> float:
    """Return 1 divided by the rank of the gold item, or 0 if it is not among the first `cut` ranked items.

    Source: xtreme utils_mewslix.py `mean_reciprocal_rank` (Ruder et al. 2021, arXiv:2104.07412).
    """
    return next((1.0 / rank for rank, item in enumerate(ranked[:cut], start=1) if item == gold), 0.0)


def _average_precisions(predictions: Sequence[Sequence[str]], golds: Sequence[Sequence[str]], _language: str) -> Floats:
    check_lengths(predictions, golds)
    return one_each([average_precision(gold, ranked, CUT) for gold, ranked in zip(golds, predictions, strict=True)])


def _reciprocal_ranks(predictions: Sequence[Sequence[str]], golds: Sequence[Sequence[str]], _language: str) -> Floats:
    check_lengths(predictions, golds)
    if not all(golds):
        raise UserError(
            "a mention has no gold entity, and Mewsli-X needs exactly one per mention; remove the mention, or add its "
            "entity"
        )
    # Only the first gold answer counts, and space around its id is removed, as in the official script.
    return one_each(
        [reciprocal_rank(gold[0].strip(), ranked, CUT) for gold, ranked in zip(golds, predictions, strict=True)]
    )


MAP_AT_20 = Metric(
    name="map_at_20",
    statistics=_average_precisions,
    value=mean,
    source="xtreme utils_lareqa.py `mean_avg_prec_at_k` with k=20 (Roy et al. 2020, arXiv:2004.05484)",
)
MEWSLIX_MAP_AT_20 = Metric(
    name="mewslix_map_at_20",
    statistics=_reciprocal_ranks,
    value=mean,
    source="xtreme evaluate.py `mewslix_map20` (Ruder et al. 2021, arXiv:2104.07412)",
)
