"""Modules that were trained elsewhere, with the method that their files describe."""

from pathlib import Path
from typing import Any

from adaptx.published import read_method
from adaptx.specs import ModelSpec, Published


def published(source: str | Path, model: ModelSpec, **more: Any) -> Published:
    """Return the module of a folder or hub id over a model, as a recipe would name it.

    Raises:
        UserError: the module cannot be used.
    """
    return Published(str(source), model, read_method(source, model), **more)
