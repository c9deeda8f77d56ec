"""The output matrix of a language model (lm_head), with the bias, scale and soft cap that its architecture applies."""

from typing import Any

import transformers

from adaptx.backbones.vocabulary_loss import OutputMatrix
from adaptx.errors import UserError
from adaptx.specs.architectures import ARCHITECTURES
from adaptx.specs.architectures.architecture import ScaledScores


def output_matrix(network: Any) -> OutputMatrix:
    """Return the output matrix of a language model. Its tensors are the network's parameters, not copies.

    Raises:
        UserError: the checkpoint has no output matrix.
    """
    config, linear = network.config, network.get_output_embeddings()
    if getattr(network, "lacks_output_matrix", False):
        raise UserError(
            f"this {config.model_type} checkpoint has no output matrix (lm_head), so it can be read through hidden "
            "states, but it cannot write or rank text. Use a checkpoint of the whole model, or the framing Hidden(...)"
        )
    # mBART and BART store the bias in a buffer of the network.
    bias = linear.bias if linear.bias is not None else getattr(network, "final_logits_bias", None)
    return OutputMatrix(
        linear.weight,
        bias.flatten() if bias is not None else None,
        _scale(config),
        getattr(config, "final_logit_softcapping", None),
    )


def _scale(config: Any) -> float:
    scaled = ARCHITECTURES[config.model_type].scaled_scores
    newer = not transformers.__version__.startswith("4.")
    if scaled is ScaledScores.NEVER or (scaled is ScaledScores.WHERE_TIED_IN_4 and newer):
        return 1.0
    # In transformers 5, T5 has a separate field for this.
    tied = getattr(config, "scale_decoder_outputs", config.tie_word_embeddings)
    return config.d_model**-0.5 if tied else 1.0
