"""The `Backbone` subclass for each model family."""

from typing import Any

from adaptx.backbones.backbone import Backbone
from adaptx.backbones.decoder import Decoder
from adaptx.backbones.encoder import Encoder
from adaptx.backbones.encoder_decoder import EncoderDecoder
from adaptx.specs import ModelFamily
from adaptx.specs.architectures import ARCHITECTURES

_BACKBONES: dict[ModelFamily, type[Backbone]] = {
    ModelFamily.ENCODER: Encoder,
    ModelFamily.ENCODER_DECODER: EncoderDecoder,
    ModelFamily.DECODER: Decoder,
}


def backbone_over(network: Any) -> Backbone:
    """Wrap a transformers network in the `Backbone` subclass of its model family."""
    return _BACKBONES[ARCHITECTURES[network.config.model_type].family](network)
