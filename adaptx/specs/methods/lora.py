"""Low-rank adaptation."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Self

from adaptx.errors import UserError
from adaptx.specs.checked import spec
from adaptx.specs.linear_maps import SITES, are_sites, sites_behind, with_companions
from adaptx.specs.merge_rule import MergeRule
from adaptx.specs.methods.method import Method, StepSizes
from adaptx.specs.mixing import MixingRule
from adaptx.specs.model import Shape
from adaptx.specs.ranges import Count, Positive, ShareBelowOne


@spec
class Lora(Method):
    """Low-rank adaptation: a linear map W becomes W + (alpha / rank) B A (Hu et al. 2021, arXiv:2106.09685).

    The matrices A and B are trained. B starts at zero, so a new module changes nothing until it is trained.

    Attributes:
        rank: rows of A and columns of B.
        alpha: the update B A is scaled by alpha / rank.
        dropout: dropout probability of the inputs of A.
        sites: names of the linear maps that get an update (`adaptx.specs.linear_maps`). In architectures in which one
            linear map serves several sites (`FUSED`), each of these sites selects the whole map.
        bias: whether the biases of these linear maps are trained too. The module then stores their differences from the
            checkpoint's biases.
        ranks: pairs (site, rank) for sites whose rank differs from `rank`.
        alphas: pairs (site, alpha) for sites whose alpha differs from `alpha`.
    """

    rank: Count = 8
    alpha: Positive = 16.0
    dropout: ShareBelowOne = 0.0
    sites: tuple[str, ...] = ("query", "value")
    bias: bool = False
    ranks: tuple[tuple[str, Count], ...] = ()
    alphas: tuple[tuple[str, Positive], ...] = ()

    modules = "LoRA modules"
    whole = False
    over_quantised = True
    library = "peft"
    matrices = True
    needs = None
    fold_refusal = None
    stack_refusal = None
    fuse_refusal = None

    def __post_init__(self) -> None:
        if not are_sites(self.sites):
            raise UserError(f"Lora(sites={self.sites}): choose distinct sites among {', '.join(SITES)}")
        for name, own, usual in (("ranks", self.ranks, self.rank), ("alphas", self.alphas, self.alpha)):
            sites = [site for site, _ in own]
            if len(set(sites)) != len(sites) or not set(sites) <= set(self.sites):
                raise UserError(
                    f"Lora({name}={own}): a site is given twice or is not among {self.sites}; give pairs of a site and "
                    "its value"
                )
            # Pairs are sorted and redundant ones removed, so that methods that do the same are equal values.
            object.__setattr__(self, name, _unusual(own, usual))

    @classmethod
    def of_size(cls, rank: int, reduction_factor: float) -> Self:
        return cls(rank=rank, alpha=2.0 * rank)

    @property
    def label(self) -> str:
        own = (f"{site}{rank}" for site, rank in self.ranks)
        return "-".join([f"lora-r{self.rank}", *own, *(["bias"] if self.bias else [])])

    def rank_at(self, site: str) -> int:
        """Return the rank at a linear map: a site, a companion of a site, or a fused map."""
        return dict(self.ranks).get(self._settings_site(site), self.rank)

    def alpha_at(self, site: str) -> float:
        """Return the alpha at a linear map: a site, a companion of a site, or a fused map."""
        return dict(self.alphas).get(self._settings_site(site), self.alpha)

    def scale_at(self, site: str) -> float:
        """Return alpha / rank at a linear map."""
        return self.alpha_at(site) / self.rank_at(site)

    def _settings_site(self, name: str) -> str:
        # A fused map has the rank and alpha of the first of its sites in `sites`.
        behind = sites_behind(name)
        return next((site for site in self.sites if site in behind), behind[0])

    def parameters(self, shape: Shape) -> int:
        def of_layer(maps: dict[str, tuple[int, int]]) -> int:
            placed = [site for site in with_companions(self.sites) if site in maps]
            biases = sum(maps[site][1] for site in placed if self.bias and shape.has_bias(site))
            return biases + sum(self.rank_at(site) * sum(maps[site]) for site in placed)

        return shape.layers * of_layer(shape.linear_maps) + shape.decoder_layers * of_layer(shape.decoder_linear_maps)

    def shape_refusal(self, shape: Shape) -> str | None:
        maps = [name for name in with_companions(self.sites) if name in shape.linear_maps]
        if self.bias and not any(shape.has_bias(name) for name in maps):
            at = ", ".join(self.sites)
            return f"the linear maps of {shape.model_type} at {at} have no biases to train; use Lora(bias=False)"
        for name in maps:
            parts = [site for site in sites_behind(name) if site in self.sites]
            if len({(self.rank_at(site), self.alpha_at(site)) for site in parts}) > 1:
                return f"{' and '.join(parts)} are one linear map in {shape.model_type}; give them one rank and alpha"
        return None

    def continues(self, earlier: Method) -> bool:
        # The dropout may differ, because it has no weights.
        return isinstance(earlier, Lora) and (earlier == self or earlier == replace(self, dropout=earlier.dropout))

    def merge_refusal(self, others: Sequence[Method], rule: MergeRule) -> str | None:
        return None

    def merged(self, others: Sequence[Method], rule: MergeRule) -> Method:
        """Return a LoRA method that can hold the sum of the modules.

        It has every site of every module, and trains biases if one of the modules does. Its rank at a site is the sum
        of the modules' ranks, or the rank of `SvdRank`. Its alpha / rank is that of the modules if all agree, and
        otherwise 1.
        """
        loras = [self, *(other for other in others if isinstance(other, Lora))]
        if len(loras) <= len(others):
            # One of the others is not a LoRA module. Planning refuses such a merge, and needs a method to name it by.
            return self
        sites = self.sites
        if any(lora.sites != sites for lora in loras):
            sites = tuple(site for site in SITES if any(site in lora.sites for lora in loras))
        given = rule.merged_rank
        rank, alpha = _merged_rank_and_alpha([(lora.rank, lora.alpha) for lora in loras], given)
        own = {
            site: _merged_rank_and_alpha([(lora.rank_at(site), lora.alpha_at(site)) for lora in loras], given)
            for site in sites
        }
        return Lora(
            rank,
            alpha,
            self.dropout,
            sites,
            any(lora.bias for lora in loras),
            tuple((site, rank) for site, (rank, _) in own.items()),
            tuple((site, alpha) for site, (_, alpha) in own.items()),
        )

    def mixing_parameters(self, mixing: MixingRule, modules: int, shape: Shape) -> int:
        stacks = ((shape.layers, shape.linear_maps), (shape.decoder_layers, shape.decoder_linear_maps))
        return sum(
            layers * mixing.parameters(*maps[site], modules)
            for layers, maps in stacks
            for site in with_companions(self.sites)
            if site in maps
        )

    def step_sizes(self, shape: Shape) -> StepSizes:
        # In the names, D is the hidden size, I the intermediate size, r the sum of the ranks at the sites, and nA the
        # number of entries in all matrices A and B. `D if up` is D if `up` is a site, and otherwise 0.
        maps, hidden, inner = shape.linear_maps, shape.hidden_size, shape.intermediate_size
        attends = bool({"query", "key", "value"} & set(self.sites))
        kept: dict[str, float] = {
            "inputs": sum(maps[site][0] for site in self.sites),
            "outputs": sum(maps[site][1] for site in self.sites),
            "r": sum(self.rank_at(site) for site in self.sites),
            "D if q, k or v": hidden * attends,
            "D if up": hidden * ("up" in self.sites),
            "I if down": inner * ("down" in self.sites),
        }
        matrices = shape.layers * sum(self.rank_at(site) * sum(maps[site]) for site in self.sites)
        # Activations before the first site of the first layer are not kept: no gradient passes through them.
        return StepSizes({"D unless q, k or v": hidden * (not attends)}, kept, {"nA": matrices})


def _unusual(own: Sequence[tuple[str, float]], usual: float) -> tuple[tuple[str, float], ...]:
    return tuple(sorted((pair for pair in own if pair[1] != usual), key=lambda pair: SITES.index(pair[0])))


def _merged_rank_and_alpha(sizes: list[tuple[int, float]], given: int | None) -> tuple[int, float]:
    # `sizes` are pairs (rank, alpha), `given` is the rank of `SvdRank`.
    rank = sum(rank for rank, _ in sizes) if given is None else given
    first_rank, first_alpha = sizes[0]
    # alpha / rank is compared by cross products, and ranks are divided first, so that a single module keeps its exact
    # alpha in spite of rounding.
    shared = all(each * first_rank == first_alpha * own for own, each in sizes)
    return rank, first_alpha * (rank / first_rank) if shared else float(rank)
