"""A module that was trained elsewhere: the user's own or a published one, in peft's or adapters' format."""

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
    """A module over `model` that a start takes in place of a training.

    Planning reads the files and refuses a module that is not of this method and model. `adaptx published SOURCE`
    prints the method to write. Identity is the method and the digest of the files.

    Fields:
        source: a hub id (`owner/name`), or a folder as an absolute path or one that begins with `./` or `~`.
        name: what tables call the module; the last part of its source where nothing is given.
        revision: of the hub.
        same_base: says that the base that the module's config names is `model`, where names and digests cannot tell.
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
            # A store is read from other working directories, too.
            object.__setattr__(self, "source", os.path.abspath(os.path.expanduser(self.source)))
        if not self.name:
            object.__setattr__(self, "name", Path(self.source).name)
        check_file_name("Published(name)", self.name)

    @property
    def is_on_hub(self) -> bool:
        """Whether the source is a hub id, and not a folder."""
        return self.source.count("/") == 1 and not self.source.startswith((".", "/", "~"))
