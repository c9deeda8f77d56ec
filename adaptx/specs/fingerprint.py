"""Identity of a spec: canonical JSON and its SHA-256.

Two specs are the same work exactly when their canonical JSON is the same. Only values with one stable form are
let in; a callable, a path, a set or an object with a default repr would give another identity in another
process, and is refused with its place in the spec.
"""

import dataclasses
import enum
import hashlib
import json
import math
from typing import Any

from adaptx.errors import UserError

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]

OUTSIDE = {"outside_identity": True}
"""Metadata of a dataclass field that does not change the result (a label, a licence, a path): not in identity."""


def is_outside_identity(field: dataclasses.Field[Any]) -> bool:
    return bool(field.metadata.get("outside_identity"))


def canonical(value: Any, path: str = "spec") -> Json:
    """The JSON form of `value` that identity is computed from.

    Dataclasses become objects with their type's name and their identity fields; enums their member's name;
    integral floats become integers, so that `32` and `32.0` agree.

    Raises:
        UserError: the value has no stable form; the message names its path in the spec.
    """
    match value:
        case None | bool() | str():
            return value
        case enum.Enum():
            return value.name
        case int():
            return int(value)
        case float():
            if not math.isfinite(value):
                raise UserError(f"{path} is {value}, which has no stable JSON form: use a finite number or None")
            return int(value) if value.is_integer() else value
        case tuple() | list():
            return [canonical(item, f"{path}[{index}]") for index, item in enumerate(value)]
        case dict():
            if not all(isinstance(key, str) for key in value):
                raise UserError(f"{path} has keys that are not strings: {sorted(map(repr, value))}; use string keys")
            return {key: canonical(value[key], f"{path}.{key}") for key in sorted(value)}
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = [field for field in dataclasses.fields(value) if not is_outside_identity(field)]
            body = {field.name: canonical(getattr(value, field.name), f"{path}.{field.name}") for field in fields}
            return {"type": type(value).__name__, **body}
        case _:
            kind = "type" if isinstance(value, type) else type(value).__name__
            raise UserError(
                f"{path} is a {kind} ({value!r}), which has no stable form across processes: "
                "use numbers, strings, tuples, enums or frozen dataclasses"
            )


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def fingerprint(identity: Json) -> str:
    """SHA-256 (64 hex digits) of the identity's canonical JSON text."""
    return canonical_fingerprint(canonical(identity))


def canonical_fingerprint(identity: Json) -> str:
    """Likewise of what `canonical` made, which is not looked through again."""
    return hashlib.sha256(_ENCODER.encode(identity).encode()).hexdigest()
