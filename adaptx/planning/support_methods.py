"""Which trainings their method refuses, and why: plain values and checks of one stage, as in `support`."""

import importlib.util

from adaptx.planning.lineage import Lineage
from adaptx.planning.naming import path_of_tasks
from adaptx.specs import Fuse, Method, Shape, Stack, Train


def method_refusal(method: Method, shape: Shape | None) -> str | None:
    """Return why a method cannot be had here on a checkpoint of that shape (None: not known yet), or None."""
    if shape is not None and (reason := method.shape_refusal(shape)) is not None:
        return reason
    if method.needs is not None and not has_package(method.needs.package):
        package, extra = method.needs
        return f"{method.modules} need the {package} package: pip install 'adaptx[{extra}]'"
    return None


def start_refusal(method: Method, start: type) -> str | None:
    """Return why no training of a method begins from that kind of start, or None."""
    return {Stack: method.stack_refusal, Fuse: method.fuse_refusal}.get(start)


def frozen_refusal(frozen: Method, method: Method) -> str | None:
    """Return why a method cannot train over a frozen module of another, or None: whole weights train when the module
    has become part of them.
    """
    return frozen.fold_refusal if method.whole else None


def below_refusal(train: Train, below: Lineage) -> str | None:
    """Return why a training cannot stand on one of the modules below it, with that module's name; or None."""
    for frozen in below.frozen:
        if (reason := frozen_refusal(frozen.method, train.method)) is not None:
            return f"after {type(frozen.method).__name__} on {path_of_tasks(frozen)}: {reason}"
    return None


def over_quantised_refusal(train: Train) -> str | None:
    """Return why a training cannot be over quantised weights, or None."""
    if train.model.quantised is None:
        return None
    # What it starts from is over the same weights and was looked at itself; what was trained elsewhere was not.
    other = next((each for each in (train, *train.module_sources) if not each.method.over_quantised), None)
    if other is not None:
        kind = type(other.method).__name__
        return f"LoRA alone goes over quantised weights, not {kind}; use Lora(...), or the model as it is"
    if isinstance(train.start, Fuse):
        return "LoRA modules over quantised weights are stacked or merged, not fused; use Stack or Merged"
    return None


def quantised_refusal() -> str | None:
    """Why weights cannot be stored quantised here, or None. Predicting their memory needs nothing."""
    if not has_package("bitsandbytes"):
        return "quantised weights need the bitsandbytes package: pip install 'adaptx[quant]'"
    return None


def combination_refusal(train: Train) -> str | None:
    """Return why the modules that a training stacks or fuses do not go with it, or None."""
    match train.start:
        case Stack(stages) if any(stage.method.whole for stage in stages):
            full = next(stage for stage in stages if stage.method.whole)
            return (
                f"what {type(full.method).__name__} trained on {path_of_tasks(full)} is a whole backbone, no module "
                "that lies over another; start each of the modules from it with Sequential, or this training itself"
            )
        case Fuse(stages) if {type(stage.method) for stage in stages} != {type(train.method)}:
            shown = ", ".join(sorted({type(stage.method).__name__ for stage in stages}))
            return f"the modules are {shown}; use modules of the same method"
        case Fuse(stages) if any(stage.method != train.method for stage in stages):
            return "the method must equal the fused modules' (it adds no module of its own)"
        case _:
            return None


def has_package(name: str) -> bool:
    """Return whether a package is installed; it is not imported."""
    try:
        return importlib.util.find_spec(name) is not None
    except ValueError:
        # Once imported adapters has no __spec__ (it puts a lazy module in its own place), which is taken for a fault.
        return True
