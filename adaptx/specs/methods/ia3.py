"""(IA)^3: learned vectors that scale activations inside the layers."""

from collections.abc import Sequence
from typing import Self

from adaptx.errors import UserError
from adaptx.specs.checked import spec
from adaptx.specs.linear_maps import SITES, are_sites, with_companions
from adaptx.specs.merge_rule import MergeRule
from adaptx.specs.methods.method import Method, StepSizes
from adaptx.specs.mixing import MixingRule
from adaptx.specs.model import Shape


@spec
class Ia3(Method):
    """(IA)^3: learned vectors that scale activations at linear maps (Liu et al. 2022, arXiv:2205.05638, section 3.3).

    A vector scales the inputs of the feed-forward's down projection, and the outputs of all other linear maps. Vectors
    start at one, so a new module changes nothing until it is trained.

    `sites` names the linear maps that get a vector. In architectures in which one linear map serves several sites
    (`FUSED`), each of these sites selects the whole map.
    """

    sites: tuple[str, ...] = ("key", "value", "down")

    modules = "(IA)^3 modules"
    whole = False
    over_quantised = False
    library = "peft"
    matrices = False
    needs = None
    fold_refusal = None
    stack_refusal = None
    fuse_refusal = (
        "(IA)^3 scales outputs of the backbone and adds none that could be mixed; use Stack or Merged, or fuse Lora or "
        "Bottleneck modules"
    )

    def __post_init__(self) -> None:
        if not are_sites(self.sites):
            raise UserError(f"Ia3(sites={self.sites}): choose distinct sites among {', '.join(SITES)}")

    @classmethod
    def of_size(cls, rank: int, reduction_factor: float) -> Self:
        return cls()

    @property
    def label(self) -> str:
        return "ia3"

    def parameters(self, shape: Shape) -> int:
        first, second = self._layer_entries(shape.linear_maps), self._layer_entries(shape.decoder_linear_maps)
        return shape.layers * first + shape.decoder_layers * second

    def shape_refusal(self, shape: Shape) -> str | None:
        return None

    def continues(self, earlier: Method) -> bool:
        return earlier == self

    def merge_refusal(self, others: Sequence[Method], rule: MergeRule) -> str | None:
        for other in others:
            if other != self:
                return f"its modules lie at different sites: {self} and {other}; train them at the same sites"
        if rule.merged_rank is not None:
            return "vectors have no rank that could be reduced; merge LoRA modules, or leave SvdRank out"
        return None

    def merged(self, others: Sequence[Method], rule: MergeRule) -> Method:
        return self

    def mixing_parameters(self, mixing: MixingRule, modules: int, shape: Shape) -> int:
        raise AssertionError(self.fuse_refusal)

    def step_sizes(self, shape: Shape) -> StepSizes:
        # In the names, D is the hidden size, I the intermediate size, nA the number of entries in all vectors, and
        # `outputs` the number of outputs per token that one layer scales. `D if q, k or v` is D if one of these is a
        # site, and otherwise 0. Scaled activations are in fp32 while they are computed, also under bf16.
        maps, hidden, inner = shape.linear_maps, shape.hidden_size, shape.intermediate_size
        attends = bool({"query", "key", "value"} & set(self.sites))
        comes_down = "down" in self.sites
        outputs = sum(maps[site][1] for site in with_companions(self.sites) if site in maps and site != "down")
        once: dict[str, float] = {
            "D unless q, k or v": hidden * (not attends),
            "I if up or down": inner * ("up" in self.sites or comes_down),
            "I if down": inner * comes_down,
        }
        kept: dict[str, float] = {
            "outputs": outputs,
            "I if down": inner * comes_down,
            "D if q, k or v": hidden * attends,
        }
        return StepSizes(once, kept, {"nA": shape.layers * self._layer_entries(maps)})

    def _layer_entries(self, maps: dict[str, tuple[int, int]]) -> int:
        placed = (site for site in with_companions(self.sites) if site in maps)
        return sum(maps[site][0] if site == "down" else maps[site][1] for site in placed)
