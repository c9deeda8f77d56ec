"""Heads on disk: saved beside their module, never inside it, with the names of their labels."""

from pathlib import Path

from torch import Tensor, nn

from adaptx.formats import classification
from adaptx.specs import Classification
from adaptx.store import read_json, write_json

FILE = "head.safetensors"
HEADER_FILE = "head.json"


def save_head(head: nn.Module, task_format: Classification, folder: Path) -> None:
    from safetensors.torch import save_file

    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in head.state_dict().items()}
    save_file(tensors, folder / FILE, {"format": "adaptx"})
    write_json(folder / HEADER_FILE, {"version": 1, "labels": list(task_format.labels)})


def load_head(folder: Path, hidden_size: int, dropout: float = 0.0) -> tuple[nn.Module, tuple[str, ...]]:
    """The head and the names of its labels, in the order of its rows."""
    from safetensors.torch import load_file

    labels = tuple(read_json(folder / HEADER_FILE)["labels"])
    head = classification.new_head(Classification(labels), hidden_size, dropout)
    head.load_state_dict(load_file(folder / FILE))
    return head, labels


def kept_head(folder: Path, task_format: Classification, hidden_size: int, dropout: float) -> nn.Module:
    """The earlier head with its rows in the order of the new task's labels (the sets agree; planning has checked)."""
    head, labels = load_head(folder, hidden_size, dropout)
    rows = [labels.index(label) for label in task_format.labels]
    state: dict[str, Tensor] = {name: tensor[rows] for name, tensor in head.state_dict().items()}
    head.load_state_dict(state)
    return head
