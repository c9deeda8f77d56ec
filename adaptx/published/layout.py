"""Find where in a model the tensors of a published module belong, and check them against the model's sizes."""

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
    """The place in a model to which one tensor of a file belongs.

    name: the tensor's name in the file. scale: factor by which the tensor is multiplied. above: path, in the bare
    network, of the linear map whose bias is subtracted from the tensor; None to subtract nothing.
    """

    name: str
    layer: int
    site: str
    tensor: str
    scale: float = 1.0
    above: str | None = None


@dataclass(frozen=True)
class Layout:
    """The method of a published module, and the place of each of its tensors.

    of_head: names of the tensors of heads, which are not used.
    """

    method: Lora | Bottleneck
    tensors: tuple[TensorPlace, ...]
    of_head: tuple[str, ...] = ()


def shape_of(model: ModelSpec) -> Shape:
    """Return the model's shape.

    Raises:
        UserError: the shape is unknown.
    """
    if model.shape is None:
        raise UserError(
            f"the sizes of {model.hub_id} are unknown, so the module cannot be checked against them; use a model of "
            "the catalog, or give its folder: find_model(FOLDER)"
        )
    return model.shape


def stacks_of(model: ModelSpec) -> tuple[LayerStack, ...]:
    """Return the model's stacks of layers, such as encoder and decoder. Layer numbers continue from stack to stack."""
    shape = shape_of(model)
    if (reason := unsupported(shape.model_type)) is not None:
        raise UserError(f"{model.hub_id}: {reason}")
    sizes = ((0, shape.layers), (shape.layers, shape.decoder_layers))
    return tuple(
        replace(stack, first=first, layers=layers) for stack, (first, layers) in zip(shape.stacks, sizes, strict=False)
    )


def stack_of(model: ModelSpec) -> LayerStack:
    """Return the model's only stack of layers.

    Raises:
        UserError: the model has several stacks, or its architecture is not supported.
    """
    stacks = stacks_of(model)
    if len(stacks) != 1:
        raise UserError(
            f"{model.hub_id} is a {shape_of(model).model_type!r}; published LoRA modules can be used only with models "
            "that have one stack of layers"
        )
    return stacks[0]


def place_in(path: str, stacks: tuple[LayerStack, ...], name: str) -> tuple[int, str]:
    """Split a path in the network into a layer's number and the path in that layer.

    For `bert.encoder.layer.3.output`, this is `(3, "output")`.
    """
    for stack in stacks:
        before = stack.layer.removesuffix("{}")
        start = path.find(before)
        found = stack.place(path[start:]) if start >= 0 and (start == 0 or path[start - 1] == ".") else None
        if found is None:
            continue
        number = found[0] - stack.first
        # A layer beyond the first stack would otherwise be taken for a layer of the second stack.
        if len(stacks) > 1 and number >= stack.layers:
            raise UserError(f"{name} lies in layer {number} (from 0) of a stack of {stack.layers} layers")
        return found
    known = " or ".join(stack.layer.removesuffix("{}") for stack in stacks)
    raise UserError(f"{name} lies in no layer of this architecture (names of tensors in its layers begin with {known})")


def check_layers(places: Mapping[tuple[int, str], str], model: ModelSpec, every: bool = False) -> None:
    """Check that a published module has tensors only in layers of the model and, with `every`, in every layer.

    Raises:
        UserError: a layer does not exist in the model or, with `every`, has no tensors.
    """
    layers = {layer for layer, _ in places}
    have = shape_of(model).all_layers
    if max(layers) >= have:
        raise UserError(f"it has a module in layer {max(layers)} (from 0), but {model.hub_id} has only {have} layers")
    missing = sorted(set(range(have)) - layers) if every else []
    if missing:
        raise UserError(
            f"it has no adapter in layers {missing}, but each of the {have} layers of {model.hub_id} needs one"
        )


def check_not_empty(shapes: Shapes) -> None:
    """Check that no tensor is empty.

    Raises:
        UserError: some tensors are empty.
    """
    if empty := [name for name, shape in shapes.items() if 0 in shape]:
        raise UserError(
            f"{len(empty)} of its tensors are empty ({some(empty)}), as when DeepSpeed ZeRO-3 saves without gathering: "
            "save with stage3_gather_16bit_weights_on_model_save, or combine the parts with its zero_to_fp32.py"
        )


def some(names: list[str]) -> str:
    """Return the first `SHOWN` names as text for a message: `a, b, c, d, ...`."""
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
