"""The scores over the vocabulary of each architecture: its output matrix, and what is put before or behind it."""

from typing import Any

import transformers

from adaptx.backbones.vocabulary_loss import OutputMatrix
from adaptx.errors import UserError
from adaptx.specs.architectures import ARCHITECTURES
from adaptx.specs.architectures.architecture import ScaledScores


def output_matrix(network: Any) -> OutputMatrix:
    """Return that of a network with scores over the vocabulary; its tensors are the live ones.

    Raises:
        UserError: the checkpoint came without it.
    """
    config, linear = network.config, network.get_output_embeddings()
    if getattr(network, "lacks_output_matrix", False):
        raise UserError(
            f"this {config.model_type} checkpoint came without its matrix of scores over the vocabulary (lm_head), so "
            "it can be read through hidden states but writes and ranks no text. Take a checkpoint of the whole model, "
            "or read it with Hidden(...)"
        )
    # mBART and BART keep a bias beside the matrix.
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
    # In transformers 5 a field of T5's own says so.
    tied = getattr(config, "scale_decoder_outputs", config.tie_word_embeddings)
    return config.d_model**-0.5 if tied else 1.0
