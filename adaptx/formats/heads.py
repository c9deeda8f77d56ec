"""The linear head that most formats use, and the files that store trained heads next to the trained module."""

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from adaptx.backbones.finite import first_not_finite
from adaptx.errors import NotFinite, UserError
from adaptx.formats.interface import TrainedHead
from adaptx.specs import TaskFormat
from adaptx.store.record_json import read_record, to_json
from adaptx.store.records import HEADS_HEADER_FILE, HeadsHeader
from adaptx.store.store import write_json
from adaptx.store.writing import naming

VERSION = 2
FILE = "head.safetensors"


class LinearHead(nn.Module):
    """Dropout and a linear layer, which compute logits [..., outputs] from states [..., hidden size] in fp32."""

    def __init__(self, hidden_size: int, num_outputs: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(hidden_size, num_outputs)
        nn.init.normal_(self.linear.weight, std=0.02)
        nn.init.zeros_(self.linear.bias)

    def forward(self, states: Tensor) -> Tensor:
        # Under the training loop's autocast, logits would be bf16, and labels with close scores would tie.
        with torch.autocast(states.device.type, enabled=False):
            return self.linear(self.dropout(states.float()))


def save_heads(heads: Mapping[str, TrainedHead], folder: Path) -> None:
    """Write all heads of a training, by their names, to one file. If there are no heads, no file is written.

    Raises:
        NotFinite: a tensor holds NaN or infinity. Nothing is written then.
    """
    from safetensors.torch import save_file

    if not heads:
        return
    tensors = {
        f"{name}/{key}": tensor.detach().cpu().contiguous()
        for name, head in heads.items()
        for key, tensor in head.module.state_dict().items()
    }
    if (key := first_not_finite(tensors.items())) is not None:
        raise NotFinite(f"the head's {key} holds values that are not finite (NaN or infinite); the head is not stored")
    with naming(folder / FILE, "written"):
        save_file(tensors, folder / FILE, {"format": "adaptx"})
    header = HeadsHeader(VERSION, {name: head.format for name, head in heads.items()})
    write_json(folder / HEADS_HEADER_FILE, to_json(header))


def load_head(folder: Path, name: str, new: Callable[[TaskFormat], nn.Module]) -> TrainedHead:
    """Return the head called `name`. `new` is a function that makes an untrained head for a format.

    Raises:
        UserError: the file has another version of the file format or does not hold the head, or the head's tensors do
            not have the shapes that its task format needs.
    """
    from safetensors.torch import load_file

    header = read_record(HeadsHeader, folder / HEADS_HEADER_FILE)
    if header.version != VERSION:
        raise UserError(
            f"{folder} has heads of version {header.version}, but this adaptx reads version {VERSION}; train the stage "
            "again with this adaptx, or use the version of adaptx that trained it"
        )
    if name not in header.heads:
        raise UserError(f"{folder} has no head {name!r}; it has: {', '.join(header.heads) or 'none'}")
    task_format = header.heads[name]
    module = new(task_format)
    with naming(folder / FILE, "read"):
        stored = load_file(folder / FILE)
    prefix = f"{name}/"
    tensors = {key.removeprefix(prefix): tensor for key, tensor in stored.items() if key.startswith(prefix)}
    own = {key: tensor.shape for key, tensor in module.state_dict().items()}
    if own != {key: tensor.shape for key, tensor in tensors.items()}:
        raise UserError(
            f"{folder / FILE}: the head {name!r} has {_shapes(tensors)}, but its model needs "
            f"{_shapes(module.state_dict())}; train the stage again, or give the model that it was trained with"
        )
    module.load_state_dict(tensors)
    return TrainedHead(module, task_format)


def _shapes(tensors: Mapping[str, Tensor]) -> str:
    return ", ".join(f"{key} {tuple(tensor.shape)}" for key, tensor in sorted(tensors.items())) or "no tensors"


def for_labels(head: TrainedHead, task_format: TaskFormat) -> nn.Module:
    """Put the outputs of a head's module, in place, into the order of a task's labels, and return the module.

    Planning has checked that the head and the task have the same labels.
    """
    ours = task_format.labels
    theirs = head.format.labels
    if ours != theirs:
        rows = [theirs.index(label) for label in ours]
        head.module.load_state_dict({name: tensor[rows] for name, tensor in head.module.state_dict().items()})
    return head.module
