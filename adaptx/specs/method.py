"""Methods: which parameters of the backbone a training changes."""

from dataclasses import dataclass

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


def with_companions(sites: tuple[str, ...]) -> tuple[str, ...]:
    return (*sites, *(COMPANIONS[site] for site in sites if site in COMPANIONS))


@dataclass(frozen=True)
class Full:
    """Full fine-tuning: every parameter of the backbone trains."""


@dataclass(frozen=True)
class Lora:
    """Low-rank adaptation (Hu et al. 2021, arXiv:2106.09685): W + (alpha / rank) B A at the given sites.

    B starts at zero, so a new module changes nothing until it is trained.
    """

    rank: int = 8
    alpha: float = 16.0
    dropout: float = 0.0
    sites: tuple[str, ...] = ("query", "value")

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise ValueError(f"Lora(rank={self.rank}): the rank must be at least 1")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"Lora(dropout={self.dropout}): dropout is a share in [0, 1)")
        unknown = [site for site in self.sites if site not in SITES]
        if unknown or not self.sites or len(set(self.sites)) != len(self.sites):
            raise ValueError(f"Lora(sites={self.sites}): choose distinct sites among {', '.join(SITES)}")


@dataclass(frozen=True)
class Bottleneck:
    """Bottleneck adapter in Pfeiffer placement: one after each layer's feed-forward (Pfeiffer et al. 2021,
    arXiv:2005.00247, section 3; the shape is Houlsby et al. 2019, arXiv:1902.00751).

    reduction_factor: hidden size divided by bottleneck size. The up-projection starts at zero, so a new module
    changes nothing until it is trained.
    """

    reduction_factor: float = 16
    activation: str = "relu"

    def __post_init__(self) -> None:
        if self.reduction_factor <= 0:
            raise ValueError(f"Bottleneck(reduction_factor={self.reduction_factor}): it must be above zero")


Method = Full | Lora | Bottleneck
