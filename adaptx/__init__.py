"""adaptx: intermediate-task transfer with parameter-efficient variants.

A recipe is written in the specs exported here; `adaptx.catalog` has models and tasks. `adaptx.open` gives a study: the
recipe's plan, which it runs, scores and reports. `adaptx.task` makes a task of rows of your own.
"""

import logging
from typing import TYPE_CHECKING, Any

from adaptx.specs import *  # noqa: F403
from adaptx.specs import __all__ as __all__

if TYPE_CHECKING:
    from adaptx.api import open as open  # noqa: A004
    from adaptx.data.tasks import task as task

# Quiet unless the program configures the logger "adaptx".
logging.getLogger(__name__).addHandler(logging.NullHandler())

__version__ = "0.1.0"
LAZY = {"open": "adaptx.api", "task": "adaptx.data.tasks"}
"""Names that are loaded when first used, and their modules. `from adaptx import *` leaves them out."""


def __getattr__(name: str) -> Any:
    if name in LAZY:
        from importlib import import_module

        return getattr(import_module(LAZY[name]), name)
    raise AttributeError(f"module 'adaptx' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, *LAZY, "__version__"]
