"""Mixing rules of a fusion: how the outputs of frozen modules are weighted for each token."""

from adaptx.specs.checked import spec
from adaptx.specs.ranges import Count, NotNegative


@spec
class Attention:
    """AdapterFusion's attention over modules (Pfeiffer et al. 2021, arXiv:2005.00247, section 3.2).

    There is one attention per layer and site. The query is computed from the token's hidden state, keys and values from
    the modules' outputs.

    Attributes:
        rank: dimension of queries and keys. The value map is then the identity plus a matrix of this rank. None gives
            all three maps their full size, as in the paper.
        regularisation: weight of a loss term: the squared distance of the value maps from the identity. The paper's
            released code uses 0.01.
    """

    rank: Count | None = None
    regularisation: NotNegative = 0.01

    def parameters(self, inputs: int, outputs: int, modules: int, key_bias: bool = False) -> int:
        """Return the number of parameters of one mixing layer.

        Args:
            inputs: size of the hidden state that the layer reads.
            outputs: size of a module's output.
            modules: number of modules that are mixed.
            key_bias: whether a full-size key map has a bias, as in the adapters library.
        """
        if self.rank is None:
            return outputs * (inputs + 1) + 2 * outputs**2 + (outputs if key_bias else 0)
        return self.rank * (inputs + 1 + 3 * outputs)


@spec
class Gate:
    """A gate that weights modules by the token's hidden state (X-LoRA; Buehler and Buehler 2024, arXiv:2402.07148).

    There is one gate per layer and site. It multiplies each module's output by a weight. If `width` is None, the gate
    is one linear map. Otherwise it has a hidden layer of that width.
    """

    width: Count | None = None

    def parameters(self, inputs: int, outputs: int, modules: int, key_bias: bool = False) -> int:
        """Return the number of parameters of one mixing layer."""
        if self.width is None:
            return modules * (inputs + 1)
        return self.width * (inputs + 1) + modules * (self.width + 1)


MixingRule = Attention | Gate
