"""The frozen dataclasses in which a recipe is written."""

from adaptx.specs import formats, merge, weight_search
from adaptx.specs.contrast import Contrast, Term, difference
from adaptx.specs.evaluations import evaluations
from adaptx.specs.formats import *  # noqa: F403
from adaptx.specs.merge import *  # noqa: F403
from adaptx.specs.methods import Bottleneck, Full, Ia3, Lora, Method
from adaptx.specs.mixing import Attention, Gate, MixingRule
from adaptx.specs.mixture import Mixture, Proportional, Sampling, Temperature, Uniform, Weighted
from adaptx.specs.model import Exposure, Hidden, ModelFamily, ModelSpec, Pooling, SeenData, Shape
from adaptx.specs.published import Published
from adaptx.specs.published_score import PublishedScore
from adaptx.specs.quantisation import Quantisation
from adaptx.specs.recipe import PrimaryComparisons, Recipe
from adaptx.specs.resources import Resources
from adaptx.specs.stage import (
    Evaluate,
    Fuse,
    KeptHead,
    Merge,
    Merged,
    ModuleSource,
    ModuleStage,
    NewHead,
    Pretrained,
    Sequential,
    Stack,
    Stage,
    Start,
    Train,
)
from adaptx.specs.suite import Group, Suite
from adaptx.specs.task import Rows, Task
from adaptx.specs.text import Decision, Framing, Generate, Normalisation, Prompt, Rank, Text
from adaptx.specs.training import Best, Last, Precision, Schedule, TrainConfig
from adaptx.specs.tuning import Trial, Tuned, tune
from adaptx.specs.weight_search import *  # noqa: F403

__all__ = [
    "Attention",
    "Best",
    "Bottleneck",
    "Contrast",
    "Decision",
    "Evaluate",
    "Exposure",
    "Framing",
    "Full",
    "Fuse",
    "Gate",
    "Generate",
    "Group",
    "Hidden",
    "Ia3",
    "KeptHead",
    "Last",
    "Lora",
    "Merge",
    "Merged",
    "Method",
    "MixingRule",
    "Mixture",
    "ModelFamily",
    "ModelSpec",
    "ModuleSource",
    "ModuleStage",
    "NewHead",
    "Normalisation",
    "Pooling",
    "Precision",
    "Pretrained",
    "PrimaryComparisons",
    "Prompt",
    "Proportional",
    "Published",
    "PublishedScore",
    "Quantisation",
    "Rank",
    "Recipe",
    "Resources",
    "Rows",
    "Sampling",
    "Schedule",
    "SeenData",
    "Sequential",
    "Shape",
    "Stack",
    "Stage",
    "Start",
    "Suite",
    "Task",
    "Temperature",
    "Term",
    "Text",
    "Train",
    "TrainConfig",
    "Trial",
    "Tuned",
    "Uniform",
    "Weighted",
    "difference",
    "evaluations",
    "tune",
]
__all__ += [*formats.__all__, *merge.__all__, *weight_search.__all__]
