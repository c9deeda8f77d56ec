"""Put a network's layers and a head into a model class of adaptx, for heads that no class of transformers computes."""

import shutil
from pathlib import Path
from typing import Any

import torch
from torch import nn

from adaptx.backbones.backbone import Backbone
from adaptx.exporting import modeling_adaptx
from adaptx.exporting.library_heads import AUTO_CLASSES
from adaptx.formats.interface import TrainedHead
from adaptx.formats.masked_language_model import LanguageModelHead
from adaptx.specs import Hidden, QuestionAnswering, TaskFormat

CODE_FILE = f"{modeling_adaptx.__name__.rpartition('.')[2]}.py"
_OUTER = ("id2label", "label2id", "architectures", "dtype", "torch_dtype", "_name_or_path", "transformers_version")
"""Entries that are not copied to `AdaptxConfig.backbone`: `AdaptxConfig` has them itself, or no backbone needs them."""


def class_of(task_format: TaskFormat) -> Any:
    """Return adaptx's model class for heads of this format."""
    return getattr(modeling_adaptx, _name(task_format))


def _name(task_format: TaskFormat) -> str:
    return AUTO_CLASSES[type(task_format)].replace("AutoModel", "Adaptx")


def own_model(backbone: Backbone, base: Any, head: TrainedHead, framing: Hidden) -> Any:
    """Return a model of adaptx's class with the backbone's layers and the head.

    The model can be loaded only with the code of its class (see `write_code`), because transformers does not know it.

    base: the configuration of the backbone's network.
    """
    name, module, architecture = _name(head.format), CODE_FILE.removesuffix(".py"), backbone.architecture
    masked = head.module if isinstance(head.module, LanguageModelHead) else None
    config = modeling_adaptx.AdaptxConfig(
        backbone={key: value for key, value in base.to_diff_dict().items() if key not in _OUTER} | {"use_cache": False},
        attention="eager" if architecture.eager else None,
        pooler=architecture.pooler,
        takes_types=bool(architecture.type_rows),
        layer=framing.layer,
        pooling=framing.pooling.name.lower(),
        head_size=masked.dense.out_features if masked is not None else 0,
        norm_epsilon=masked.norm.eps if masked is not None else 0.0,
        id2label=base.id2label,
        label2id=base.label2id,
        pad_token_id=base.pad_token_id,
        dtype=torch.float32,
        auto_map={"AutoConfig": f"{module}.AdaptxConfig", AUTO_CLASSES[type(head.format)]: f"{module}.{name}"},
    )
    # Built on the meta device, without memory, because its layers and head are replaced by the existing ones.
    with torch.device("meta"):
        whole: Any = class_of(head.format)(config)
    whole.backbone = backbone.stack
    if masked is not None:
        for part, tensor in masked.state_dict().items():
            path, _, last = part.rpartition(".")
            setattr(whole.get_submodule(path), last, nn.Parameter(tensor.detach().float().clone()))
    else:
        linear: Any = head.module.get_submodule("linear")
        setattr(whole, "qa_outputs" if isinstance(head.format, QuestionAnswering) else "classifier", linear)
    return whole.eval()


def write_code(folder: Path) -> None:
    """Copy the code of adaptx's model classes into an exported folder."""
    shutil.copyfile(modeling_adaptx.__file__, folder / CODE_FILE)
