"""Methods: which parameters of the backbone a training changes."""

from collections.abc import Sequence
from typing import Literal

from adaptx.errors import UserError
from adaptx.specs.checked import spec
from adaptx.specs.ranges import Count, Positive, ShareBelowOne

SITES = ("query", "key", "value", "output", "up", "down")
"""Linear maps of a transformer layer, by the names every family shares: attention's query, key, value and output,
the feed-forward's up (hidden to intermediate) and down projection."""

COMPANIONS = {
    "query": "cross_query",
    "key": "cross_key",
    "value": "cross_value",
    "output": "cross_output",
    "up": "gate",
}
"""Site -> the linear map that goes with it where a layer has one: in an encoder-decoder's attention from one stack to
the other (as peft takes them by default), and in a gated feed-forward."""


FUSED = {"query_key_value": ("query", "key", "value"), "up_gate": ("up", "gate")}
"""One linear map -> the maps that it is where it takes the place of several (BLOOM, ModernBERT)."""


def with_companions(sites: tuple[str, ...]) -> tuple[str, ...]:
    """The maps that a method at these sites may find: they themselves, their companions, and what is fused of them.

    An architecture has a map either apart or fused, so those that it has are the maps to adapt. A fused map is adapted
    once and as a whole: there `Lora(sites=("query", "value"))` adapts keys as well.
    """
    apart = (*sites, *(COMPANIONS[site] for site in sites if site in COMPANIONS))
    return (*apart, *(fused for fused, parts in FUSED.items() if set(parts) & set(sites)))


def sites_behind(name: str) -> tuple[str, ...]:
    """The sites that a linear map of this name belongs to: several of a fused one, one of a companion."""
    if name in FUSED:
        return tuple(site for site in FUSED[name] if site in SITES)
    return (next((site for site, companion in COMPANIONS.items() if companion == name), name),)


@spec
class Full:
    """Full fine-tuning: every parameter of the backbone trains."""


@spec
class Lora:
    """Low-rank adaptation (Hu et al. 2021, arXiv:2106.09685): W + (alpha / rank) B A at the given sites.

    B starts at zero, so a new module changes nothing until it is trained. Where an architecture has one linear map for
    several sites (`FUSED`), any of them stands for the whole map. bias: the biases of the maps that have one train too,
    as what is added to them. ranks, alphas: (site, value) of sites that have their own; a companion has its site's.
    """

    rank: Count = 8
    alpha: Positive = 16.0
    dropout: ShareBelowOne = 0.0
    sites: tuple[str, ...] = ("query", "value")
    bias: bool = False
    ranks: tuple[tuple[str, Count], ...] = ()
    alphas: tuple[tuple[str, Positive], ...] = ()

    def __post_init__(self) -> None:
        unknown = [site for site in self.sites if site not in SITES]
        if unknown or not self.sites or len(set(self.sites)) != len(self.sites):
            raise UserError(f"Lora(sites={self.sites}): choose distinct sites among {', '.join(SITES)}")
        for name, own, usual in (("ranks", self.ranks, self.rank), ("alphas", self.alphas, self.alpha)):
            sites = [site for site, _ in own]
            if len(set(sites)) != len(sites) or not set(sites) <= set(self.sites):
                raise UserError(f"Lora({name}={own}): give pairs of distinct sites among {self.sites} and their value")
            # One spelling of each method, so that equal methods are equal values.
            object.__setattr__(self, name, _tidied(own, usual))

    def rank_at(self, site: str) -> int:
        """The rank at a linear map: a site, its companion or what is fused of it."""
        return dict(self.ranks).get(self._main(site), self.rank)

    def alpha_at(self, site: str) -> float:
        return dict(self.alphas).get(self._main(site), self.alpha)

    def scale_at(self, site: str) -> float:
        """What B A x is multiplied by there."""
        return self.alpha_at(site) / self.rank_at(site)

    def _main(self, name: str) -> str:
        """The site by which a linear map is adapted."""
        behind = sites_behind(name)
        return next((site for site in self.sites if site in behind), behind[0])


def _tidied(own: Sequence[tuple[str, float]], usual: float) -> tuple[tuple[str, float], ...]:
    """In the order of sites, without what is as usual."""
    return tuple(sorted((pair for pair in own if pair[1] != usual), key=lambda pair: SITES.index(pair[0])))


Activation = Literal["relu", "gelu", "gelu_new", "leakyrelu", "mish", "relu6", "sigmoid", "silu", "swish", "tanh"]


@spec
class Bottleneck:
    """Bottleneck adapter in Pfeiffer placement: one after each layer's feed-forward (Pfeiffer et al. 2021,
    arXiv:2005.00247, section 3; the shape is Houlsby et al. 2019, arXiv:1902.00751).

    reduction_factor: hidden size divided by bottleneck size. The up-projection starts at zero, so a new module
    changes nothing until it is trained.
    """

    reduction_factor: Positive = 16
    activation: Activation = "relu"


Method = Full | Lora | Bottleneck
