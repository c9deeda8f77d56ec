"""Networks of a given shape with random weights, from no checkpoint: for measuring and predicting memory and time.

The caller chooses where and in which numbers: `with torch.device("meta"): build_network(shape)` takes no memory.
"""

from typing import Any

from torch import nn

from adaptx.specs import ModelFamily, Shape
from adaptx.specs.architectures import ARCHITECTURES


def network_config(shape: Shape) -> Any:
    """The transformers configuration of that shape, with the padding id and dropout that its checkpoints have.

    Rotary angles are those of short texts: they change values, but neither sizes nor work.

    Raises:
        UserError: the architecture is not supported.
    """
    from transformers import AutoConfig

    written = shape.architecture.config
    sizes = {entry: getattr(shape, size) for entry, size in written.sizes.items()}
    settings = {**{entry: size for entry, size in sizes.items() if size is not None}, **written.settings}
    return AutoConfig.for_model(shape.model_type, attn_implementation=attention_of(shape.model_type), **settings)


def attention_of(model_type: str) -> str:
    """Return transformers' name of the attention that the architecture runs under: fused where its version has one."""
    from transformers import AutoConfig
    from transformers.models.auto.modeling_auto import MODEL_MAPPING

    network: Any = MODEL_MAPPING[type(AutoConfig.for_model(model_type))]
    return "sdpa" if network._supports_sdpa and not ARCHITECTURES[model_type].eager else "eager"


def build_network(shape: Shape) -> nn.Module:
    """The bare network in evaluation mode: of encoders without a pooler, of all others with scores over the vocabulary.

    Weights are random, on torch's default device and in its default dtype. Their number is `shape.parameters`.

    Raises:
        UserError: the architecture is not supported.
    """
    from transformers import AutoModel, AutoModelForCausalLM, AutoModelForSeq2SeqLM

    config = network_config(shape)
    match shape.architecture.family:
        case ModelFamily.ENCODER:
            # Some encoders have no pooler that could be left out.
            bare = {"add_pooling_layer": False} if shape.architecture.pooler else {}
            network: Any = AutoModel.from_config(config, trust_remote_code=False, **bare)
        case ModelFamily.ENCODER_DECODER:
            network = AutoModelForSeq2SeqLM.from_config(config, trust_remote_code=False)
            if not shape.tied:
                _untie(network)
        case ModelFamily.DECODER:
            network = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    return network.eval()


def _untie(network: Any) -> None:
    """Transformers 5 ties the scores of T5's kin to their embeddings whatever the configuration says."""
    if network.lm_head.weight is network.shared.weight:
        network.lm_head.weight = nn.Parameter(network.lm_head.weight.detach().clone())
        network.config.tie_word_embeddings = False
