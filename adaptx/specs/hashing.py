"""Hashes of specs that are computed once: stages hold stages, so a plan of thousands would hash the same ones anew."""

from collections.abc import Callable
from typing import Any, TypeVar

_KEPT = "_kept_hash"
C = TypeVar("C", bound=type)


def keep_hash(cls: C) -> C:
    """Let a frozen dataclass keep its hash once it is asked for.

    It is left out where an object is pickled: in another process strings have other hashes.
    """
    compute: Callable[[Any], int] = getattr(cls, "__hash__")  # noqa: B009

    def kept(self: Any) -> int:
        own: dict[str, Any] = self.__dict__
        found = own.get(_KEPT)
        if found is None:
            found = own[_KEPT] = compute(self)
        return found

    def state(self: Any) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != _KEPT}

    # getattr and setattr, since the names of a class in general are not the type checker's business.
    setattr(cls, "__hash__", kept)  # noqa: B010
    setattr(cls, "__getstate__", state)  # noqa: B010
    return cls
