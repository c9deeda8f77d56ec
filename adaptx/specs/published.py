"""Modules that were trained outside adaptx, in the file format of peft or of the adapters library."""

import os
from dataclasses import field
from pathlib import Path

from adaptx.specs.checked import spec
from adaptx.specs.fingerprint import OUTSIDE
from adaptx.specs.methods import Method
from adaptx.specs.model import ModelSpec
from adaptx.specs.names import check_file_name


@spec
class Published:
    """A module that was trained outside adaptx. A `start` can name it in place of a training.

    `adaptx published SOURCE` prints the method to write. Planning reads the module's files, and refuses them if they do
    not match `method` and `model`. The fingerprint depends on the method and on the contents of the files.

    Attributes:
        source: a hub id (`owner/name`), or a folder. A folder is an absolute path, or begins with `./`, `../` or `~`.
        model: the checkpoint that the module was trained on.
        method: the module's method, with its sizes.
        name: name of the module in tables; empty is the last part of `source`.
        revision: branch, tag or commit on the hub; None is the main branch.
        same_base: True asserts that the module was trained on `model`, for modules whose config cannot show it.
        licence: licence of the module.
    """

    source: str = field(metadata=OUTSIDE)
    model: ModelSpec
    method: Method
    name: str = field(default="", kw_only=True, metadata=OUTSIDE)
    revision: str | None = field(default=None, kw_only=True, metadata=OUTSIDE)
    same_base: bool = field(default=False, kw_only=True, metadata=OUTSIDE)
    licence: str = field(default="", kw_only=True, metadata=OUTSIDE)

    def __post_init__(self) -> None:
        if not self.is_on_hub:
            # The path is made absolute, because a store may be read from another working directory.
            object.__setattr__(self, "source", os.path.abspath(os.path.expanduser(self.source)))
        if not self.name:
            object.__setattr__(self, "name", Path(self.source).name)
        check_file_name("Published(name)", self.name)

    @property
    def is_on_hub(self) -> bool:
        """Return whether the source is a hub id and not a folder."""
        return self.source.count("/") == 1 and not self.source.startswith((".", "/", "~"))
