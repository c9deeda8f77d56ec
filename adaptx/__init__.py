"""adaptx: intermediate-task transfer with parameter-efficient variants.

The classes exported here describe a recipe. `adaptx.catalog` has models and tasks to use in it. `adaptx.open` returns a
study, which plans a recipe, runs it, and returns its scores and report. `adaptx.task` makes a task from your own rows.
"""

import logging
from typing import TYPE_CHECKING, Any

from adaptx.specs import *  # noqa: F403
from adaptx.specs import __all__ as __all__

if TYPE_CHECKING:
    from adaptx.api import open as open  # noqa: A004
    from adaptx.data.tasks import task as task

# Nothing is logged unless the program configures the logger "adaptx".
logging.getLogger(__name__).addHandler(logging.NullHandler())

__version__ = "0.1.0"
LAZY = {"open": "adaptx.api", "task": "adaptx.data.tasks"}
"""Name -> module, for names that are imported on first use. `from adaptx import *` does not import them."""


def __getattr__(name: str) -> Any:
    if name in LAZY:
        from importlib import import_module

        return getattr(import_module(LAZY[name]), name)
    raise AttributeError(f"module 'adaptx' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, *LAZY, "__version__"]
