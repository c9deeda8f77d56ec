"""The frozen dataclasses a recipe is written in."""

from adaptx.specs.method import Bottleneck, Full, Lora, Method
from adaptx.specs.model import Exposure, Hidden, ModelFamily, ModelSpec, Pooling, Seen, Shape
from adaptx.specs.resources import Resources
from adaptx.specs.stage import (
    Evaluate,
    Fuse,
    KeptHead,
    NewHead,
    Pretrained,
    Recipe,
    Sequential,
    Stack,
    Stage,
    Start,
    Train,
)
from adaptx.specs.task import Classification, Retrieval, Rows, Task, TaskFormat
from adaptx.specs.training import Best, Last, Precision, Schedule, TrainConfig

__all__ = [
    "Best",
    "Bottleneck",
    "Classification",
    "Evaluate",
    "Exposure",
    "Full",
    "Fuse",
    "Hidden",
    "KeptHead",
    "Last",
    "Lora",
    "Method",
    "ModelFamily",
    "ModelSpec",
    "NewHead",
    "Pooling",
    "Precision",
    "Pretrained",
    "Recipe",
    "Resources",
    "Retrieval",
    "Rows",
    "Schedule",
    "Seen",
    "Sequential",
    "Shape",
    "Stack",
    "Stage",
    "Start",
    "Task",
    "TaskFormat",
    "Train",
    "TrainConfig",
]
