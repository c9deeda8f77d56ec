"""A module that peft or adapters wrote: what it is, read without reading a tensor.

A recipe names it as a value, `Published("owner/xlmr-hate-lora", XLMR_BASE, Lora(16, 32))`, and planning holds the files
against it.
"""

import dataclasses
from pathlib import Path

from adaptx.errors import UserError
from adaptx.published.from_adapters import adapters_layout
from adaptx.published.from_peft import peft_layout
from adaptx.published.layout import Layout, check_not_empty
from adaptx.sources.checkpoint_files import read_settings
from adaptx.sources.modules import CONFIG_FILE, find_folder, weights_file
from adaptx.sources.sources import Sources
from adaptx.sources.tensor_headers import tensor_shapes, unusual_numbers
from adaptx.specs import Full, Method, ModelSpec, Published


def read_layout(module: Published, sources: Sources) -> Layout:
    """Return what a module's files hold, and where the tensors belong in its model. Its method is not looked at.

    Raises:
        MissingInput: the files are not at hand.
        UserError: another kind of module, another size, or a setting that adaptx' methods do not have.
    """
    folder = find_folder(module, sources)
    file = weights_file(folder)
    shapes = tensor_shapes(file)
    config = read_settings(folder / CONFIG_FILE)
    read = peft_layout if "peft_type" in config else adapters_layout
    try:
        check_not_empty(shapes)
        if file.suffix == ".safetensors" and (unusual := unusual_numbers(file)):
            name, form = next(iter(unusual.items()))
            raise UserError(f"{name} is stored as {form}, not as floating-point numbers of 16 bits or more")
        return read(config, shapes, module.model)
    except UserError as error:
        raise UserError(
            f"published module {folder}: {error}. Save it again with its library's save_pretrained, take another "
            "module, or train such a one here"
        ) from error


def read_base(module: Published, sources: Sources) -> str:
    """Return the checkpoint that the module's config names as its base; empty where it names none."""
    config = read_settings(find_folder(module, sources) / CONFIG_FILE)
    return str(config.get("base_model_name_or_path" if "peft_type" in config else "model_name") or "")


def read_method(
    source: str | Path, model: ModelSpec, *, data: str | None = None, revision: str | None = None
) -> Method:
    """Return the method of a module over a model, as `Published(source, model, method)` takes it.

    data: a local mirror of the hub, as of `--data`.

    Raises:
        MissingInput: the files are not at hand.
        UserError: the module cannot be taken over.
    """
    # Any method will do: it is what is asked for.
    return read_layout(Published(str(source), model, Full(), revision=revision), Sources(data)).method


def written(method: Method) -> str:
    """Return a method as it is written in a recipe: the fields that differ from its defaults."""
    given = {
        field.name: getattr(method, field.name)
        for field in dataclasses.fields(method)
        if getattr(method, field.name) != field.default
    }
    return f"{type(method).__name__}({', '.join(f'{name}={value!r}' for name, value in given.items())})"
