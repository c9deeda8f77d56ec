"""Specs that compute their hash once. Stages contain stages, so hashing them again and again would be slow."""

from collections.abc import Callable
from typing import Any, TypeVar

_KEPT = "_kept_hash"
C = TypeVar("C", bound=type)


def keep_hash(cls: C) -> C:
    """Make a frozen dataclass store its hash when it is first computed."""
    compute: Callable[[Any], int] = getattr(cls, "__hash__")  # noqa: B009

    def kept(self: Any) -> int:
        own: dict[str, Any] = self.__dict__
        found = own.get(_KEPT)
        if found is None:
            found = own[_KEPT] = compute(self)
        return found

    # A pickled object must not contain the hash, because strings have other hashes in another process.
    def state(self: Any) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != _KEPT}

    # getattr and setattr, because the type checker does not know these names for a class in general.
    setattr(cls, "__hash__", kept)  # noqa: B010
    setattr(cls, "__getstate__", state)  # noqa: B010
    return cls
