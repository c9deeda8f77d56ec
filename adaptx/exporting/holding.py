"""Which compositions each library's folder can hold, decided on specs alone, before any weight is read."""

import enum

from adaptx.errors import UserError
from adaptx.planning.lineage import lineage
from adaptx.specs import Attention, Bottleneck, Full, Fuse, Lora, Method, MixingRule, ModelFamily, ModuleStage, Train


class Library(enum.Enum):
    """The library that a folder is written for."""

    PEFT = "peft"
    ADAPTERS = "adapters"
    TRANSFORMERS = "transformers"


def find_library(name: str) -> Library:
    """Raises:
    UserError: no folder is written for a library of that name.
    """
    known = [library.value for library in Library]
    if name not in known:
        raise UserError(f"--to {name}: choose one of {', '.join(known)}")
    return Library(name)


MERGEABLE = (Full, Lora)
"""Methods whose modules become plain weights; a method that is not named here is refused until it is."""


def holding_refusal(library: Library, stage: ModuleStage) -> str | None:
    """Why a folder of that library cannot hold what a stage's network is made of, naming one that can; or None."""
    methods = network_methods(stage)
    if library is Library.ADAPTERS and stage.model.family is not ModelFamily.ENCODER:
        return (
            f"{stage.model.name} is no encoder, and adapters folders are written of encoders alone; it stays in adaptx "
            "(`adaptx predict STAGE FILE`)"
        )
    if stage.model.quantised is not None:
        return (
            f"it was trained over the weights of {stage.model.hub_id} as {stage.model.quantised.value}, and a "
            f"{library.value} folder would be read over others; it stays in adaptx (`adaptx predict STAGE FILE`)"
        )
    if stage.model.layers is not None and library is not Library.TRANSFORMERS:
        return (
            f"it stands on the first {stage.model.layers} layers of {stage.model.hub_id}, and a {library.value} folder "
            "names a whole checkpoint below it; use --to transformers"
        )
    fusion = stage.start if isinstance(stage, Train) and isinstance(stage.start, Fuse) else None
    if fusion is not None and not isinstance(stage.method, Bottleneck):
        return (
            f"no library's folder holds fusion over {type(stage.method).__name__} modules; it stays in adaptx "
            "(`adaptx predict STAGE FILE`), or export one of the modules that it mixes"
        )
    if fusion is not None and not _is_library_mixing(fusion.mixing):
        return (
            f"the adapters library mixes by attention at full size alone, not by {fusion.mixing}; it stays in "
            "adaptx (`adaptx predict STAGE FILE`), or train Fuse with Attention()"
        )
    match library:
        case Library.PEFT:
            return _peft_refusal(stage, methods)
        case Library.ADAPTERS:
            if not any(isinstance(method, Bottleneck) for method in methods):
                return f"an adapters folder holds bottleneck adapters, and here is none; use --to {_other(methods)}"
            kinds = (*MERGEABLE, Bottleneck)
        case Library.TRANSFORMERS:
            if any(isinstance(method, Bottleneck) for method in methods):
                return "bottleneck adapters cannot be merged into linear weights; use --to adapters"
            kinds = MERGEABLE
    return _unknown(library, methods, kinds)


def _is_library_mixing(mixing: MixingRule) -> bool:
    return isinstance(mixing, Attention) and mixing.rank is None


def network_methods(stage: ModuleStage) -> tuple[Method, ...]:
    """The methods of all modules in a stage's finished network, lowest first; fused ones before the mixing's own."""
    if isinstance(stage.method, Full):
        return (stage.method,)
    below = lineage(stage)
    return (*(each.method for each in (*below.frozen, *below.fused)), stage.method)


def _peft_refusal(stage: ModuleStage, methods: tuple[Method, ...]) -> str | None:
    if any(isinstance(method, Bottleneck) for method in methods):
        return "a peft folder holds no bottleneck adapters; use --to adapters"
    if isinstance(stage.method, Full):
        return "full fine-tuning leaves whole weights and no module for peft; use --to transformers"
    if any(isinstance(method, Full) for method in methods):
        return (
            f"it stands on a full fine-tuning, whose weights a peft folder over {stage.model.hub_id} cannot hold; "
            "use --to transformers"
        )
    return _unknown(Library.PEFT, methods, (Lora,))


def _other(methods: tuple[Method, ...]) -> str:
    return "peft or --to transformers" if all(isinstance(method, Lora) for method in methods) else "transformers"


def _unknown(library: Library, methods: tuple[Method, ...], kinds: tuple[type, ...]) -> str | None:
    strange = [type(method).__name__ for method in methods if not isinstance(method, kinds)]
    return f"a {library.value} folder is not written for {strange[0]} modules" if strange else None
