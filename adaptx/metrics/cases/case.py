"""Read a case file: JSON with `metric`, `inputs` and, for comparisons, `expected`. Errors name a place in the file."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adaptx.errors import UserError

_NAMES = {dict: "an object", list: "a list", str: "a text", bool: "a truth value", type(None): "null"}


@dataclass(frozen=True)
class CaseNode:
    """A value of a case file, with its place in the file, such as `inputs.languages.en`.

    Each method returns the value as one type, or raises a `UserError` that names the place.
    """

    value: Any
    place: str

    def __getitem__(self, key: str) -> "CaseNode":
        """Return the child called `key`.

        Raises:
            UserError: the value is not an object, or has no such child.
        """
        inside = self._object()
        place = f"{self.place}.{key}".lstrip(".")
        if key not in inside:
            there = ", ".join(map(str, inside)) or "nothing"
            raise UserError(f"the case lacks `{place}`: {f'`{self.place}`' if self.place else 'it'} holds {there}")
        return CaseNode(inside[key], place)

    def get(self, key: str) -> "CaseNode | None":
        """Return the child called `key`, or None if there is no such child or the child is null."""
        return None if self._object().get(key) is None else self[key]

    def items(self) -> Iterator[tuple[str, "CaseNode"]]:
        """Yield the names and children of an object."""
        for key, value in self._object().items():
            yield key, CaseNode(value, f"{self.place}.{key}")

    def elements(self) -> Iterator["CaseNode"]:
        for index, value in enumerate(self._list()):
            yield CaseNode(value, f"{self.place}[{index}]")

    def text(self) -> str:
        if not isinstance(self.value, str):
            raise self._refused("a text")
        return self.value

    def texts(self) -> list[str]:
        return [element.text() for element in self.elements()]

    def number(self) -> float:
        if isinstance(self.value, bool) or not isinstance(self.value, int | float):
            raise self._refused("a number")
        return self.value

    def whole(self) -> int:
        if isinstance(self.value, bool) or not isinstance(self.value, int):
            raise self._refused("a whole number")
        return self.value

    def label(self) -> str | int:
        return self.value if isinstance(self.value, str) else self.whole()

    def labels(self) -> list[str | int]:
        return [element.label() for element in self.elements()]

    def numbers(self) -> dict[str, float]:
        return {key: value.number() for key, value in self.items()}

    def matrix(self) -> NDArray[np.float32]:
        """Return the value, which must be a list of equally long lists of numbers, as float32 [rows, columns].

        An empty list becomes [0, 0].
        """
        rows = self._list()
        try:
            array = np.asarray(rows, dtype=np.float32)
        except (TypeError, ValueError):
            raise self._refused("lists of numbers, all of the same length,") from None
        if not rows:
            return array.reshape(0, 0)
        if array.ndim != 2:
            raise self._refused("lists of numbers, all of the same length,")
        return array

    def _object(self) -> dict[str, Any]:
        if not isinstance(self.value, dict):
            raise self._refused("an object")
        return self.value

    def _list(self) -> list[Any]:
        if not isinstance(self.value, list):
            raise self._refused("a list")
        return self.value

    def _refused(self, wanted: str) -> UserError:
        return UserError(
            f"the case needs {wanted} at `{self.place}`, but has {_NAMES.get(type(self.value), 'a number')}; correct "
            "the value in the file"
        )


def read_case(file: Path) -> CaseNode:
    """Return the content of a case file.

    Raises:
        UserError: there is no such file, or it is not a JSON object in UTF-8.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"there is no case file {file}; check the path") from None
    except IsADirectoryError:
        raise UserError(f"{file} is a folder; name a case file in it") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(
            f'{file} cannot be read as JSON in UTF-8: {error}; write a case as {{"metric": ..., "inputs": ...}}'
        ) from None
    if not isinstance(content, dict):
        raise UserError(f'{file} is JSON, but not an object; write a case as {{"metric": ..., "inputs": {{...}}}}')
    return CaseNode(content, "")
