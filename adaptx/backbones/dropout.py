"""Dropout probabilities of a transformers configuration, whose names differ from architecture to architecture."""

from typing import Any

HIDDEN = ("hidden_dropout_prob", "hidden_dropout", "dropout_rate", "dropout", "mlp_dropout")
"""Of states between layers; the first that an architecture has is that of a head over it."""
OTHERS = (
    "attention_probs_dropout_prob",
    "attention_dropout",
    "activation_dropout",
    "embedding_dropout",
    "pooler_dropout",
)


def set_dropout(config: Any, probability: float) -> None:
    """Give every dropout of the architecture that probability; those of transformers' own heads, unread here, aside."""
    for name in (*HIDDEN, *OTHERS):
        if hasattr(config, name):
            setattr(config, name, probability)


def head_dropout(config: Any) -> float:
    """The probability for a head: that of states between layers, else of attention (decoders have no other)."""
    return next((getattr(config, name) for name in (*HIDDEN, *OTHERS) if hasattr(config, name)), 0.0)
