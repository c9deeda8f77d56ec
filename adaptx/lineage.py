"""Which earlier modules a training stands on, read off its start: plain values, no weights.

`lineage(train)` says, lowest first, which modules are frozen below a training's own, which module it continues,
and which it fuses. Planning refuses with it; assembly builds the model with it.
"""

from dataclasses import dataclass

from adaptx.specs import Bottleneck, Full, Fuse, Lora, Method, Pretrained, Sequential, Stack, Train


@dataclass(frozen=True)
class Lineage:
    """frozen: trainings whose modules lie below, lowest first. continued: whose module is trained on. fused: whose
    modules are mixed.
    """

    frozen: tuple[Train, ...] = ()
    continued: Train | None = None
    fused: tuple[Train, ...] = ()


def continues(earlier: Method, later: Method) -> bool:
    """Whether a module of `earlier` can be trained on as one of `later`: same method, sites and shapes.

    LoRA's dropout and a bottleneck's activation hold no weights, but the activation changes what the weights mean.
    """
    match earlier, later:
        case Full(), Full():
            return True
        case Lora(), Lora():
            return (earlier.rank, earlier.alpha, earlier.sites) == (later.rank, later.alpha, later.sites)
        case Bottleneck(), Bottleneck():
            return earlier == later
        case _:
            return False


def lineage(train: Train) -> Lineage:
    """Raises:
    ValueError: the modules to stack or fuse do not stand on the same base.
    """
    match train.start:
        case Pretrained():
            return Lineage()
        case Sequential(earlier):
            below = lineage(earlier)
            if continues(earlier.method, train.method) and not below.fused:
                return Lineage(below.frozen, continued=earlier)
            # A full fine-tuning holds every weight of the backbone: what lay below it is in it.
            return Lineage((earlier,) if isinstance(earlier.method, Full) else (*below.frozen, earlier))
        case Stack(stages):
            return Lineage((*_common_base(train, stages), *stages))
        case Fuse(stages):
            return Lineage(_common_base(train, stages), fused=stages)


def _common_base(train: Train, stages: tuple[Train, ...]) -> tuple[Train, ...]:
    bases = {lineage(stage).frozen for stage in stages}
    if len(bases) > 1:
        raise ValueError(
            f"{type(train.start).__name__} for {train.task.name}: its modules stand on different frozen modules, so "
            "they cannot share one backbone; train them from the same start"
        )
    return bases.pop()
