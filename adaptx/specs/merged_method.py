"""Which method a merged module is one of: for LoRA, the rank and scale that hold what is merged."""

from adaptx.specs.merge import MergeRule, SvdRank
from adaptx.specs.method import SITES, Lora, Method


def merged_method(methods: tuple[Method, ...], rule: MergeRule) -> Method:
    """The method of a module merged from modules of these.

    LoRA modules give one whose rank is the sum of theirs (SvdRank's where it is given), at every site that one of them
    has. alpha / rank is theirs where they share it, else 1. Sites whose updates have a lower rank are filled with
    zeros, so that one rank and one alpha are all there is to save. Other methods must be equal: planning refuses
    the rest.
    """
    loras = [method for method in methods if isinstance(method, Lora)]
    if len(loras) < len(methods):
        return methods[0]
    rank = rule.rank if isinstance(rule, SvdRank) else sum(lora.rank for lora in loras)
    # Compared as products, and the ratio of ranks taken first: one module keeps its alpha to the last digit.
    shared = all(lora.alpha * loras[0].rank == loras[0].alpha * lora.rank for lora in loras)
    alpha = loras[0].alpha * (rank / loras[0].rank) if shared else float(rank)
    sites = loras[0].sites
    if any(lora.sites != sites for lora in loras):
        sites = tuple(site for site in SITES if any(site in lora.sites for lora in loras))
    return Lora(rank, alpha, loras[0].dropout, sites)
