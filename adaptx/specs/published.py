"""A module that was trained elsewhere: the user's own or a published one, in peft's or adapters' format."""

from dataclasses import field

from adaptx.specs.checked import spec
from adaptx.specs.fingerprint import OUTSIDE
from adaptx.specs.method import Method
from adaptx.specs.model import ModelSpec
from adaptx.specs.names import check_file_name


@spec
class Published:
    """What a start takes in place of a training; `adaptx.published.published` makes it from a folder or hub id.

    Its identity is its method and the digest of its files. base: the checkpoint that its own config names. same_base:
    the user says that this is `model`, where names and digests cannot.
    """

    source: str = field(metadata=OUTSIDE)
    model: ModelSpec
    method: Method
    base: str = field(metadata=OUTSIDE)
    name: str = field(metadata=OUTSIDE)
    revision: str | None = field(default=None, metadata=OUTSIDE)
    same_base: bool = field(default=False, metadata=OUTSIDE)
    licence: str = field(default="", metadata=OUTSIDE)

    def __post_init__(self) -> None:
        check_file_name("Published(name)", self.name)
