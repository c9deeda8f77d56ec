"""The frozen dataclasses a recipe is written in."""

from adaptx.specs.formats import (
    Bitext,
    BitextMining,
    Classification,
    MaskedLanguageModel,
    MultipleChoice,
    QuestionAnswering,
    Retrieval,
    Tagging,
    TaskFormat,
)
from adaptx.specs.method import Bottleneck, Full, Lora, Method
from adaptx.specs.mixing import Attention, Gate, MixingRule
from adaptx.specs.mixture import Mixture, Proportional, Sampling, Temperature, Uniform, Weighted
from adaptx.specs.model import Exposure, Hidden, ModelFamily, ModelSpec, Pooling, Seen, Shape
from adaptx.specs.published import Published
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
from adaptx.specs.suite import Group, Suite
from adaptx.specs.task import Rows, Task
from adaptx.specs.training import Best, Last, Precision, Schedule, TrainConfig

__all__ = [
    "Attention",
    "Best",
    "Bitext",
    "BitextMining",
    "Bottleneck",
    "Classification",
    "Evaluate",
    "Exposure",
    "Full",
    "Fuse",
    "Gate",
    "Group",
    "Hidden",
    "KeptHead",
    "Last",
    "Lora",
    "MaskedLanguageModel",
    "Method",
    "MixingRule",
    "Mixture",
    "ModelFamily",
    "ModelSpec",
    "MultipleChoice",
    "NewHead",
    "Pooling",
    "Precision",
    "Pretrained",
    "Proportional",
    "Published",
    "QuestionAnswering",
    "Recipe",
    "Resources",
    "Retrieval",
    "Rows",
    "Sampling",
    "Schedule",
    "Seen",
    "Sequential",
    "Shape",
    "Stack",
    "Stage",
    "Start",
    "Suite",
    "Tagging",
    "Task",
    "TaskFormat",
    "Temperature",
    "Train",
    "TrainConfig",
    "Uniform",
    "Weighted",
]
