"""A checkpoint's first layers as a network of its own: its config.json with fewer layers."""

from typing import Any

from adaptx.errors import UserError

COUNTS = ("num_hidden_layers", "encoder_layers", "decoder_layers", "num_decoder_layers")
"""Entries of a config that count layers. Other names for the first stack's (`n_layer`, `num_layers`) go by the first of
these too; BART's kin has it beside `encoder_layers`."""


def cut(config: Any, layers: int | None) -> None:
    """Let a transformers config have no more than so many layers in each stack; None leaves it as it is.

    Raises:
        UserError: it has fewer.
    """
    if layers is None:
        return
    most = config.num_hidden_layers
    if layers > most:
        raise UserError(f"the first {layers} layers are asked for, and the checkpoint has {most}; name at most {most}")
    for name in COUNTS:
        if getattr(config, name, None) is not None:
            setattr(config, name, min(layers, getattr(config, name)))
    # Qwen3's says of each layer how far it attends.
    if getattr(config, "layer_types", None) is not None:
        config.layer_types = config.layer_types[:layers]
