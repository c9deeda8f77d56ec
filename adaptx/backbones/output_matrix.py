"""The scores over the vocabulary of each architecture: its output matrix, and what is put before or behind it."""

from typing import Any

import transformers

from adaptx.backbones.vocabulary_loss import OutputMatrix
from adaptx.errors import UserError

SCALED_WHERE_TIED = ("t5", "mt5", "umt5")
"""Their matrix of scores, where it is the embeddings', takes states divided by the root of the hidden size (Raffel et
al. 2020, released code, mesh_tensorflow/transformer/transformer.py)."""


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
    if config.model_type not in SCALED_WHERE_TIED:
        return 1.0
    if config.model_type == "mt5" and not transformers.__version__.startswith("4."):
        # transformers 5 calls every mT5 tied and scales none: that is right for the published ones, which are not tied.
        return 1.0
    # In transformers 5 a field of T5's own says so.
    scaled = getattr(config, "scale_decoder_outputs", config.tie_word_embeddings)
    return config.d_model**-0.5 if scaled else 1.0
