"""Networks with random weights, for measuring or predicting memory and time. They need a shape, but no checkpoint.

Device and dtype are torch's defaults, so the caller chooses them: `with torch.device("meta"): build_network(shape)`
uses no memory.
"""

from typing import Any

from torch import nn

from adaptx.specs import ModelFamily, Shape
from adaptx.specs.architectures import ARCHITECTURES


def network_config(shape: Shape) -> Any:
    """Return the transformers configuration of a shape, with the padding id and dropout of the real checkpoints.

    Raises:
        UserError: the architecture is not supported.
    """
    from transformers import AutoConfig

    # Rotary angles stay transformers' defaults: they change neither the sizes of tensors nor the amount of work.
    written = shape.architecture.config
    sizes = {entry: getattr(shape, size) for entry, size in written.sizes.items()}
    settings = {**{entry: size for entry, size in sizes.items() if size is not None}, **written.settings}
    return AutoConfig.for_model(shape.model_type, attn_implementation=attention_of(shape.model_type), **settings)


def attention_of(model_type: str) -> str:
    """Return the attention implementation to request from transformers: "sdpa" (fused) if available, else "eager"."""
    from transformers import AutoConfig
    from transformers.models.auto.modeling_auto import MODEL_MAPPING

    network: Any = MODEL_MAPPING[type(AutoConfig.for_model(model_type))]
    return "sdpa" if network._supports_sdpa and not ARCHITECTURES[model_type].eager else "eager"


def build_network(shape: Shape) -> nn.Module:
    """Return the network in evaluation mode: an encoder without pooler or head, or a language model with its lm_head.

    Its `shape.parameters` weights are random, on torch's default device and in torch's default dtype.

    Raises:
        UserError: the architecture is not supported.
    """
    from transformers import AutoModel, AutoModelForCausalLM, AutoModelForSeq2SeqLM

    config = network_config(shape)
    match shape.architecture.family:
        case ModelFamily.ENCODER:
            # Encoders that never have a pooler do not accept the argument.
            bare = {"add_pooling_layer": False} if shape.architecture.pooler else {}
            network: Any = AutoModel.from_config(config, trust_remote_code=False, **bare)
        case ModelFamily.ENCODER_DECODER:
            network = AutoModelForSeq2SeqLM.from_config(config, trust_remote_code=False)
            if not shape.tied:
                _untie_lm_head(network)
        case ModelFamily.DECODER:
            network = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    return network.eval()


def _untie_lm_head(network: Any) -> None:
    # transformers 5 ties T5's lm_head to the embeddings even if the configuration forbids it.
    if network.lm_head.weight is network.shared.weight:
        network.lm_head.weight = nn.Parameter(network.lm_head.weight.detach().clone())
        network.config.tie_word_embeddings = False
