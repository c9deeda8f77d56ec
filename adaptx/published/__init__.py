"""Read the method and layout of a module that peft or adapters wrote, without reading its tensors.

A recipe names such a module as `Published("owner/xlmr-hate-lora", XLMR_BASE, Lora(16, 32))`, and planning compares its
files with that description.
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
    """Return the method of a published module and the place of each of its tensors in the model, read from its files.

    `module.method`, the method that the recipe states, is not used.

    Raises:
        MissingInput: the files are not available.
        UserError: the module is of another kind or size, or has a setting that adaptx's methods do not have.
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
            raise UserError(f"{name} is stored as {form}, not as floating-point numbers of at least 16 bits")
        return read(config, shapes, module.model)
    except UserError as error:
        raise UserError(
            f"published module {folder}: {error}. Save it again with its library's save_pretrained, use another "
            "module, or train one with adaptx"
        ) from error


def read_base(module: Published, sources: Sources) -> str:
    """Return the name of the base checkpoint in the module's config, or an empty string if there is none."""
    config = read_settings(find_folder(module, sources) / CONFIG_FILE)
    return str(config.get("base_model_name_or_path" if "peft_type" in config else "model_name") or "")


def read_method(
    source: str | Path, model: ModelSpec, *, data: str | None = None, revision: str | None = None
) -> Method:
    """Return the method of a published module. A recipe needs it to write `Published(source, model, method)`.

    data: a local mirror of the hub, as for `--data`.

    Raises:
        MissingInput: the files are not available.
        UserError: adaptx cannot use the module.
    """
    # The method given here is a placeholder: `read_layout` reads the real one from the files.
    return read_layout(Published(str(source), model, Full(), revision=revision), Sources(data)).method


def written(method: Method) -> str:
    """Return a method as Python code, such as `Lora(rank=16)`. Fields with default values are left out."""
    given = {
        field.name: getattr(method, field.name)
        for field in dataclasses.fields(method)
        if getattr(method, field.name) != field.default
    }
    return f"{type(method).__name__}({', '.join(f'{name}={value!r}' for name, value in given.items())})"
