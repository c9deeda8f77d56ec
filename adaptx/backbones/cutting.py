"""Cutting of a network to its first layers, by changing the number of layers in the checkpoint's configuration."""

from typing import Any

from adaptx.errors import UserError

COUNTS = ("num_hidden_layers", "encoder_layers", "decoder_layers", "num_decoder_layers")
"""Names of a config's layer counts. If an architecture has another name for the first stack's count (`n_layer`,
`num_layers`), its config maps `num_hidden_layers` to that name. The BART family has both `num_hidden_layers` and
`encoder_layers`."""


def cut(config: Any, layers: int | None) -> None:
    """Reduce a transformers config to at most `layers` layers per stack. If `layers` is None, keep all layers.

    Raises:
        UserError: the checkpoint has fewer layers.
    """
    if layers is None:
        return
    most = config.num_hidden_layers
    if layers > most:
        raise UserError(
            f"the first {layers} layers are requested, but the checkpoint has only {most}; request at most {most}"
        )
    for name in COUNTS:
        if getattr(config, name, None) is not None:
            setattr(config, name, min(layers, getattr(config, name)))
    # Qwen3's configuration lists the kind of attention of every layer.
    if getattr(config, "layer_types", None) is not None:
        config.layer_types = config.layer_types[:layers]
