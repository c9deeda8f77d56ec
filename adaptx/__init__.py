"""adaptx: intermediate-task transfer with parameter-efficient variants.

A recipe is written in the specs exported here; `adaptx.catalog` has models and tasks.
"""

from adaptx.specs import *  # noqa: F403
from adaptx.specs import __all__ as __all__

__version__ = "0.1.0"
