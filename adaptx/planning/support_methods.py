"""Which trainings are refused because of their method, and why. Each check looks at one stage, as in `support`."""

import importlib.util

from adaptx.planning.lineage import Lineage
from adaptx.planning.naming import path_of_tasks
from adaptx.specs import Fuse, Method, Shape, Stack, Train


def method_refusal(method: Method, shape: Shape | None) -> str | None:
    """Return why a method cannot be used on a checkpoint with the installed packages, or None if it can.

    shape: the checkpoint's shape, or None if it is not known yet.
    """
    if shape is not None and (reason := method.shape_refusal(shape)) is not None:
        return reason
    if method.needs is not None and not has_package(method.needs.package):
        package, extra = method.needs
        return f"{method.modules} need the {package} package: pip install 'adaptx[{extra}]'"
    return None


def start_refusal(method: Method, start: type) -> str | None:
    """Return why a training with this method cannot have a start of this class (`Stack` or `Fuse`); None if it can."""
    return {Stack: method.stack_refusal, Fuse: method.fuse_refusal}.get(start)


def frozen_refusal(frozen: Method, method: Method) -> str | None:
    """Return why `method` cannot train on top of a frozen module of the method `frozen`; None if it can.

    Full fine-tuning first adds the frozen module to the weights of the backbone. Some modules do not allow that.
    """
    return frozen.fold_refusal if method.whole else None


def below_refusal(train: Train, below: Lineage) -> str | None:
    """Return why a training's method cannot train on top of the frozen modules in `below`; None if it can."""
    for frozen in below.frozen:
        if (reason := frozen_refusal(frozen.method, train.method)) is not None:
            return f"after {type(frozen.method).__name__} on {path_of_tasks(frozen)}: {reason}"
    return None


def over_quantised_refusal(train: Train) -> str | None:
    """Return why a training cannot run on top of quantised weights, or None if it can."""
    if train.model.quantised is None:
        return None
    # Earlier trainings on the same weights were checked as stages of their own; published modules were not.
    other = next((each for each in (train, *train.module_sources) if not each.method.over_quantised), None)
    if other is not None:
        kind = type(other.method).__name__
        return f"only LoRA trains on quantised weights, not {kind}; use Lora(...), or the model without quantisation"
    if isinstance(train.start, Fuse):
        return "LoRA modules on quantised weights can be stacked or merged, but not fused; use Stack or Merged"
    return None


def quantised_refusal() -> str | None:
    """Return why quantised weights cannot be loaded here, or None if they can. They need the package bitsandbytes."""
    if not has_package("bitsandbytes"):
        return "quantised weights need the bitsandbytes package: pip install 'adaptx[quant]'"
    return None


def combination_refusal(train: Train) -> str | None:
    """Return why a training cannot stack or fuse the modules in its start, or None if it can."""
    match train.start:
        case Stack(stages) if any(stage.method.whole for stage in stages):
            full = next(stage for stage in stages if stage.method.whole)
            return (
                f"{type(full.method).__name__} on {path_of_tasks(full)} leaves a whole backbone, which cannot be "
                "stacked; start the other modules, or this training, from it with Sequential(...)"
            )
        case Fuse(stages) if {type(stage.method) for stage in stages} != {type(train.method)}:
            shown = ", ".join(sorted({type(stage.method).__name__ for stage in stages}))
            return f"the fused modules are {shown}; give the training the same method as its modules"
        case Fuse(stages) if any(stage.method != train.method for stage in stages):
            return "a fusion adds no module of its own, so its method must equal the method of the modules it fuses"
        case _:
            return None


def has_package(name: str) -> bool:
    """Return whether a package is installed, without importing it."""
    try:
        return importlib.util.find_spec(name) is not None
    except ValueError:
        # `adapters` replaces itself by a lazy module without a __spec__ once imported, and find_spec raises on that.
        return True
