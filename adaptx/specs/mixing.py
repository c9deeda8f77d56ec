"""Mixing rules of a fusion: how each token weighs the outputs of frozen modules."""

from adaptx.specs.checked import spec
from adaptx.specs.ranges import Count, NotNegative


@spec
class Attention:
    """AdapterFusion's attention (Pfeiffer et al. 2021, arXiv:2005.00247, section 3.2), one a layer and site.

    The token's hidden state asks, the modules' outputs answer. rank: None gives query, key and value maps their full
    size, as in the paper; a number gives queries and keys so many dimensions, and makes the value map the identity
    plus a product of that rank. regularisation: weighs the squared distance of the value maps from the identity,
    which is added to the loss (the paper's released code uses 0.01).
    """

    rank: Count | None = None
    regularisation: NotNegative = 0.01

    def parameters(self, inputs: int, outputs: int, modules: int, key_bias: bool = False) -> int:
        """Return how many parameters one mixing layer has, at a place of that many inputs and outputs.

        key_bias: the key map of full size has a bias. It shifts all scores alike; the adapters library has it.
        """
        if self.rank is None:
            return outputs * (inputs + 1) + 2 * outputs**2 + (outputs if key_bias else 0)
        return self.rank * (inputs + 1 + 3 * outputs)


@spec
class Gate:
    """A gate on the token's hidden state, one a layer and site (X-LoRA; Buehler and Buehler 2024, arXiv:2402.07148).

    It does not see the modules' outputs and changes them by nothing but their weights. width: None is one linear map;
    a number puts a hidden layer of that width before it.
    """

    width: Count | None = None

    def parameters(self, inputs: int, outputs: int, modules: int, key_bias: bool = False) -> int:
        """Return how many parameters one mixing layer has; `outputs` and `key_bias` are attention's alone."""
        if self.width is None:
            return modules * (inputs + 1)
        return self.width * (inputs + 1) + modules * (self.width + 1)


MixingRule = Attention | Gate
