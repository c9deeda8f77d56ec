"""Where the tensors of a module's file belong in a model, held against its sizes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from adaptx.errors import UserError
from adaptx.sources.tensor_headers import Shapes
from adaptx.specs import Bottleneck, Lora, ModelSpec, Shape
from adaptx.specs.architectures import unsupported
from adaptx.specs.architectures.architecture import LayerStack

SHOWN = 4


@dataclass(frozen=True, kw_only=True)
class TensorPlace:
    """Where one tensor of a file belongs. scale: what it is multiplied by there.

    above: the path of a map of the bare network whose own bias is taken off it.
    """

    name: str
    layer: int
    site: str
    tensor: str
    scale: float = 1.0
    above: str | None = None


@dataclass(frozen=True)
class Layout:
    """A module file as adaptx takes it: its method, and the place of each tensor. of_head: tensors that stay behind."""

    method: Lora | Bottleneck
    tensors: tuple[TensorPlace, ...]
    of_head: tuple[str, ...] = ()


def shape_of(model: ModelSpec) -> Shape:
    if model.shape is None:
        raise UserError(
            f"the sizes of {model.hub_id} are not known here, so nothing can be held against them; take a model of the "
            "catalog, or give its folder: find_model(FOLDER)"
        )
    return model.shape


def stacks_of(model: ModelSpec) -> tuple[LayerStack, ...]:
    """The model's stacks of layers, numbered through."""
    shape = shape_of(model)
    if (reason := unsupported(shape.model_type)) is not None:
        raise UserError(f"{model.hub_id}: {reason}")
    sizes = ((0, shape.layers), (shape.layers, shape.decoder_layers))
    return tuple(
        replace(stack, first=first, layers=layers) for stack, (first, layers) in zip(shape.stacks, sizes, strict=False)
    )


def stack_of(model: ModelSpec) -> LayerStack:
    stacks = stacks_of(model)
    if len(stacks) != 1:
        raise UserError(
            f"{model.hub_id} is a {shape_of(model).model_type!r}; LoRA modules are taken over for models with one "
            "stack of layers"
        )
    return stacks[0]


def place_in(path: str, stacks: tuple[LayerStack, ...], name: str) -> tuple[int, str]:
    """The layer that a module lies in, and its path there, whatever its network's prefixes."""
    for stack in stacks:
        before = stack.layer.removesuffix("{}")
        start = path.find(before)
        found = stack.place(path[start:]) if start >= 0 and (start == 0 or path[start - 1] == ".") else None
        if found is None:
            continue
        number = found[0] - stack.first
        # One of the first stack's must not pass for one of the second's.
        if len(stacks) > 1 and number >= stack.layers:
            raise UserError(f"{name} lies in layer {number} (from 0) of a stack of {stack.layers}")
        return found
    known = " or ".join(stack.layer.removesuffix("{}") for stack in stacks)
    raise UserError(f"{name} lies in no layer of this architecture (their names begin with {known})")


def check_layers(places: Mapping[tuple[int, str], str], model: ModelSpec, every: bool = False) -> None:
    """No layer that the model has not; with `every`, all of those that it has."""
    layers = {layer for layer, _ in places}
    have = shape_of(model).all_layers
    if max(layers) >= have:
        raise UserError(f"it has a module in layer {max(layers)} (from 0), and {model.hub_id} has {have} layers")
    missing = sorted(set(range(have)) - layers) if every else []
    if missing:
        raise UserError(f"it leaves out layers {missing} of the {have} of {model.hub_id}; an adapter has to be in each")


def check_not_empty(shapes: Shapes) -> None:
    """Raises:
    UserError: tensors without values, with what leaves such.
    """
    if empty := [name for name, shape in shapes.items() if 0 in shape]:
        raise UserError(
            f"{len(empty)} of its tensors are empty ({some(empty)}), as DeepSpeed ZeRO-3 leaves them when it saves "
            "without gathering: save with stage3_gather_16bit_weights_on_model_save, or put the parts together by its "
            "zero_to_fp32.py"
        )


def some(names: list[str]) -> str:
    """Return the first names, for a message."""
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
