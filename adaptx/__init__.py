"""adaptx: intermediate-task transfer with parameter-efficient variants.

A recipe is written in the specs exported here; `adaptx.catalog` has models and tasks. `adaptx.open` gives a study: the
recipe's plan, which it runs, scores and reports.
"""

import logging
from typing import TYPE_CHECKING, Any

from adaptx.specs import *  # noqa: F403
from adaptx.specs import __all__ as __all__

if TYPE_CHECKING:
    from adaptx.api import open as open  # noqa: A004

# Quiet unless the program configures the logger "adaptx".
logging.getLogger(__name__).addHandler(logging.NullHandler())

__version__ = "0.1.0"
LAZY = ("open",)
"""Names of `adaptx.api`, loaded when first asked for. `from adaptx import *` leaves them out: `open` is a builtin."""


def __getattr__(name: str) -> Any:
    if name in LAZY:
        from adaptx import api

        return getattr(api, name)
    raise AttributeError(f"module 'adaptx' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, *LAZY, "__version__"]
