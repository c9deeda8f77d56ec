"""Heads: a linear one for most formats; on disk beside their module, never inside it, with their formats."""

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from adaptx.errors import UserError
from adaptx.formats.interface import TrainedHead
from adaptx.specs import TaskFormat
from adaptx.specs.plain import from_plain, to_plain
from adaptx.store import read_json, write_json

VERSION = 2
FILE = "head.safetensors"
HEADER_FILE = "head.json"


class LinearHead(nn.Module):
    """Dropout and a linear map, in fp32: states [..., D] -> logits [..., C]."""

    def __init__(self, hidden_size: int, num_outputs: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(hidden_size, num_outputs)
        nn.init.normal_(self.linear.weight, std=0.02)
        nn.init.zeros_(self.linear.bias)

    def forward(self, states: Tensor) -> Tensor:
        # Autocast of the surrounding loop would compute logits in bf16, where near labels tie.
        with torch.autocast(states.device.type, enabled=False):
            return self.linear(self.dropout(states.float()))


def save_heads(heads: Mapping[str, TrainedHead], folder: Path) -> None:
    """All heads of a training by name, in one file; nothing is written where it has none."""
    from safetensors.torch import save_file

    if not heads:
        return
    tensors = {
        f"{name}/{key}": tensor.detach().cpu().contiguous()
        for name, head in heads.items()
        for key, tensor in head.module.state_dict().items()
    }
    save_file(tensors, folder / FILE, {"format": "adaptx"})
    write_json(folder / HEADER_FILE, {"version": VERSION, "heads": {n: to_plain(h.format) for n, h in heads.items()}})


def load_head(folder: Path, name: str, new: Callable[[TaskFormat], nn.Module]) -> TrainedHead:
    """The head called `name`; `new` makes an empty one for its format.

    Raises:
        UserError: it was written by another version.
    """
    from safetensors.torch import load_file

    header = read_json(folder / HEADER_FILE)
    if header["version"] != VERSION:
        raise UserError(
            f"{folder}: head version {header['version']}, this adaptx reads {VERSION}; train it again with this "
            "version, or use the one it was trained with"
        )
    task_format: TaskFormat = from_plain(header["heads"][name])
    module = new(task_format)
    stored = load_file(folder / FILE)
    prefix = f"{name}/"
    module.load_state_dict({k.removeprefix(prefix): t for k, t in stored.items() if k.startswith(prefix)})
    return TrainedHead(module, task_format)


def for_labels(head: TrainedHead, task_format: TaskFormat) -> nn.Module:
    """The head with its rows in the order of a task's labels (the sets agree: planning has checked)."""
    ours: tuple[str, ...] = getattr(task_format, "labels", ())
    theirs: tuple[str, ...] = getattr(head.format, "labels", ())
    if ours != theirs:
        rows = [theirs.index(label) for label in ours]
        head.module.load_state_dict({name: tensor[rows] for name, tensor in head.module.state_dict().items()})
    return head.module
