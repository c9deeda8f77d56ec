"""Where the tensors of a module's file belong in a model, held against its sizes."""

from collections.abc import Mapping
from dataclasses import dataclass

from adaptx.backbones.sites import SITES_OF, LayerStack
from adaptx.errors import UserError
from adaptx.specs import Bottleneck, Lora, ModelSpec, Shape


@dataclass(frozen=True)
class Placed:
    """Where one tensor of a file belongs. scale: what a LoRA's product is multiplied by; 1 for other tensors."""

    name: str
    layer: int
    site: str
    tensor: str
    scale: float = 1.0


@dataclass(frozen=True)
class Layout:
    """A module file as adaptx takes it: its method, and the place of each tensor."""

    method: Lora | Bottleneck
    tensors: tuple[Placed, ...]


def shape_of(model: ModelSpec) -> Shape:
    if model.shape is None:
        raise UserError(
            f"the sizes of {model.hub_id} are not known here, so nothing can be held against them; take a model of the "
            "catalog, or give its folder: find_model(FOLDER)"
        )
    return model.shape


def stack_of(model: ModelSpec) -> LayerStack:
    model_type = shape_of(model).model_type
    stacks = SITES_OF[model_type].stacks if model_type in SITES_OF else ()
    if len(stacks) != 1:
        raise UserError(
            f"{model.hub_id} is a {model_type!r}; modules are taken over for models with one stack of layers"
        )
    return stacks[0]


def place_in(path: str, stack: LayerStack, name: str) -> tuple[int, str]:
    """The layer that a module lies in, and its path there, whatever its network's prefixes."""
    before = stack.layer.removesuffix("{}")
    start = path.find(before)
    found = stack.place(path[start:]) if start >= 0 and (start == 0 or path[start - 1] == ".") else None
    if found is None:
        raise UserError(f"{name} lies in no layer of this architecture (their names begin with {before})")
    return found


def check_layers(places: Mapping[tuple[int, str], str], model: ModelSpec, every: bool = False) -> None:
    """No layer that the model has not; with `every`, all of those that it has."""
    layers = {layer for layer, _ in places}
    have = shape_of(model).layers
    if max(layers) >= have:
        raise UserError(f"it has a module in layer {max(layers)} (from 0), and {model.hub_id} has {have} layers")
    missing = sorted(set(range(have)) - layers) if every else []
    if missing:
        raise UserError(f"it leaves out layers {missing} of the {have} of {model.hub_id}; an adapter has to be in each")
