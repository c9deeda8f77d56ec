"""Which method a merged module is one of: for LoRA, the rank and scale that hold what is merged."""

from adaptx.specs.merge import MergeRule, SvdRank
from adaptx.specs.method import SITES, Lora, Method


def merged_method(methods: tuple[Method, ...], rule: MergeRule) -> Method:
    """The method of a module merged from modules of these.

    LoRA modules give one whose rank is the sum of theirs (SvdRank's where it is given), at every site that one of them
    has, and with biases where one of them has some. alpha / rank is theirs where they share it, else 1; both are told
    apart by site where theirs are. A site whose update has a lower rank is filled with zeros. Other methods must be
    equal: planning refuses the rest.
    """
    loras = [method for method in methods if isinstance(method, Lora)]
    if len(loras) < len(methods):
        return methods[0]
    sites = loras[0].sites
    if any(lora.sites != sites for lora in loras):
        sites = tuple(site for site in SITES if any(site in lora.sites for lora in loras))
    given = rule.rank if isinstance(rule, SvdRank) else None
    rank, alpha = _merged_size([(lora.rank, lora.alpha) for lora in loras], given)
    own = {site: _merged_size([(lora.rank_at(site), lora.alpha_at(site)) for lora in loras], given) for site in sites}
    return Lora(
        rank,
        alpha,
        loras[0].dropout,
        sites,
        any(lora.bias for lora in loras),
        tuple((site, rank) for site, (rank, _) in own.items()),
        tuple((site, alpha) for site, (_, alpha) in own.items()),
    )


def _merged_size(sizes: list[tuple[int, float]], given: int | None) -> tuple[int, float]:
    """Rank and alpha that hold what modules of these ranks and alphas add."""
    rank = sum(rank for rank, _ in sizes) if given is None else given
    first_rank, first_alpha = sizes[0]
    # Compared as products, and the ratio of ranks taken first: one module keeps its alpha to the last digit.
    shared = all(each * first_rank == first_alpha * own for own, each in sizes)
    return rank, first_alpha * (rank / first_rank) if shared else float(rank)
