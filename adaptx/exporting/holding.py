"""Find out from a stage's spec, before any weights are read, whether a library's folder can hold the stage."""

import enum

from adaptx.errors import UserError
from adaptx.planning.lineage import lineage
from adaptx.specs import Attention, Fuse, Method, MixingRule, ModelFamily, ModuleStage, Train


class Library(enum.Enum):
    """A library that can load an exported folder."""

    PEFT = "peft"
    ADAPTERS = "adapters"
    TRANSFORMERS = "transformers"


def find_library(name: str) -> Library:
    """Return the library with this name.

    Raises:
        UserError: adaptx does not export to a library of this name.
    """
    known = [library.value for library in Library]
    if name not in known:
        raise UserError(f"--to {name}: choose one of {', '.join(known)}")
    return Library(name)


def holding_refusal(library: Library, stage: ModuleStage) -> str | None:
    """Return why the library's folder cannot hold a stage's network, and what to use instead. Return None if it can."""
    methods = network_methods(stage)
    if library is Library.ADAPTERS and stage.model.family is not ModelFamily.ENCODER:
        return (
            f"{stage.model.name} is not an encoder, and adapters folders are written only for encoders; use "
            "`adaptx predict STAGE FILE`"
        )
    if stage.model.quantised is not None:
        return (
            f"it was trained on the weights of {stage.model.hub_id} quantised to {stage.model.quantised.value}, but a "
            f"{library.value} folder would be loaded with unquantised weights; use `adaptx predict STAGE FILE`"
        )
    if stage.model.layers is not None and library is not Library.TRANSFORMERS:
        return (
            f"it was trained on the first {stage.model.layers} layers of {stage.model.hub_id}, but a {library.value} "
            "folder can name only a whole checkpoint; use --to transformers"
        )
    fusion = stage.start if isinstance(stage, Train) and isinstance(stage.start, Fuse) else None
    if fusion is not None and stage.method.library != Library.ADAPTERS.value:
        return (
            f"no library can load a fusion of {type(stage.method).__name__} modules; use "
            "`adaptx predict STAGE FILE`, or export one of the modules that it mixes"
        )
    if fusion is not None and not _is_library_mixing(fusion.mixing):
        return (
            f"the adapters library fuses only by attention of full rank, not by {fusion.mixing}; use "
            "`adaptx predict STAGE FILE`, or train Fuse with Attention()"
        )
    match library:
        case Library.PEFT:
            return _peft_refusal(stage, methods)
        case Library.ADAPTERS:
            if not any(method.library == library.value for method in methods):
                return (
                    "an adapters folder holds bottleneck adapters, but this network has none; "
                    f"use --to {_other(methods)}"
                )
        case Library.TRANSFORMERS:
            pass
    return _unfoldable_refusal(library, methods)


def _is_library_mixing(mixing: MixingRule) -> bool:
    return isinstance(mixing, Attention) and mixing.rank is None


def network_methods(stage: ModuleStage) -> tuple[Method, ...]:
    """Return the methods of all modules in a stage's network, from the one next to the checkpoint to the stage's."""
    if stage.method.whole:
        return (stage.method,)
    below = lineage(stage)
    return (*(each.method for each in (*below.frozen, *below.fused)), stage.method)


def _peft_refusal(stage: ModuleStage, methods: tuple[Method, ...]) -> str | None:
    for method in methods:
        if not method.whole and method.library != Library.PEFT.value:
            return f"a peft folder cannot hold {method.modules}; {_elsewhere(method)}"
    if stage.method.whole:
        return "full fine-tuning changes all weights and leaves no module for peft; use --to transformers"
    if any(method.whole for method in methods):
        return (
            f"it was trained on top of a full fine-tuning, whose weights a peft folder for {stage.model.hub_id} cannot "
            "hold; use --to transformers"
        )
    kinds = list(dict.fromkeys(method.modules for method in methods))
    if len(kinds) > 1:
        return (
            f"a peft folder holds modules of one method, but this network has {' and '.join(kinds)}; "
            "use --to transformers"
        )
    return None


def _unfoldable_refusal(library: Library, methods: tuple[Method, ...]) -> str | None:
    for method in methods:
        if method.fold_refusal is not None and method.library != library.value:
            return f"{method.modules} cannot be merged into linear weights; {_elsewhere(method)}"
    return None


def _elsewhere(method: Method) -> str:
    return f"use --to {method.library}" if method.library else "use `adaptx predict STAGE FILE`"


def _other(methods: tuple[Method, ...]) -> str:
    one_kind = len({method.modules for method in methods}) == 1
    held_by_peft = one_kind and all(method.library == Library.PEFT.value for method in methods)
    return "peft or --to transformers" if held_by_peft else "transformers"
