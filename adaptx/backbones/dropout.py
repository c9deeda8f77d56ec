"""Dropout probabilities in a transformers configuration. Their names differ between architectures."""

from typing import Any

HIDDEN = ("hidden_dropout_prob", "hidden_dropout", "dropout_rate", "dropout", "mlp_dropout")
"""Names of the dropout of hidden states. The value under the first name that an architecture has is used for heads."""
OTHERS = (
    "attention_probs_dropout_prob",
    "attention_dropout",
    "activation_dropout",
    "embedding_dropout",
    "pooler_dropout",
)


def set_dropout(config: Any, probability: float) -> None:
    """Set all dropout probabilities except those of transformers' own heads, because adaptx has its own heads."""
    for name in (*HIDDEN, *OTHERS):
        if hasattr(config, name):
            setattr(config, name, probability)


def head_dropout(config: Any) -> float:
    """Return the dropout probability for a task's head.

    It is the configuration's probability for hidden states, or else the one for attention, or else 0.
    """
    return next((getattr(config, name) for name in (*HIDDEN, *OTHERS) if hasattr(config, name)), 0.0)
