"""The learning rate schedule, and the optimiser's parameter groups with their learning rates and weight decay."""

import math
from collections.abc import Callable
from typing import Any

from torch import nn

from adaptx.specs import Schedule, TrainConfig
from adaptx.specs.sites import Key


def learning_rate_factor(config: TrainConfig, num_steps: int) -> Callable[[int], float]:
    """Return a function that maps a step (counted from 0) to a share of the peak learning rate.

    The share rises linearly during warm-up. It then falls to zero, or stays at 1 if the schedule is constant.
    """
    warmup = round(config.warmup * num_steps)

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / (warmup + 1)
        progress = (step - warmup) / max(1, num_steps - warmup)
        match config.schedule:
            case Schedule.CONSTANT:
                return 1.0
            case Schedule.LINEAR:
                return max(0.0, 1.0 - progress)
            case Schedule.COSINE:
                return max(0.0, 0.5 * (1.0 + math.cos(math.pi * progress)))

    return factor


def parameter_groups(
    own: dict[Key, nn.Parameter], heads: list[nn.Parameter], config: TrainConfig
) -> list[dict[str, Any]]:
    """Return AdamW's parameter groups: the module and the heads, each with and without weight decay."""
    rate_of_module, rate_of_heads = config.peak_rates
    module = [(parameter, decays(key, parameter)) for key, parameter in own.items()]
    of_heads = [(parameter, parameter.ndim > 1) for parameter in heads]
    groups: list[dict[str, Any]] = []
    for parameters, rate in ((module, rate_of_module), (of_heads, rate_of_heads)):
        for decay, wanted in ((config.weight_decay, True), (0.0, False)):
            if chosen := [parameter for parameter, is_decayed in parameters if is_decayed is wanted]:
                groups.append({"params": chosen, "lr": rate, "weight_decay": decay})
    return groups


def decays(key: Key, parameter: nn.Parameter) -> bool:
    """Return whether weight decay applies to a module's parameter.

    It does not apply to norms, biases and T5's table of relative position biases, as in Hugging Face's Trainer.
    """
    _, site, tensor = key
    return parameter.ndim > 1 and "bias" not in site and "bias" not in tensor
