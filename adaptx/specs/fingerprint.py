"""Fingerprints of specs: the SHA-256 of their canonical JSON.

The fingerprint of a stage names its folder in the store, so it is the same in every process and on every machine.
Values that have no stable JSON form, such as callables, paths and sets, are refused.
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
"""Metadata of dataclass fields that change no result (a label, a licence, a path). Fingerprints leave them out."""


def is_outside_identity(field: dataclasses.Field[Any]) -> bool:
    return bool(field.metadata.get("outside_identity"))


def canonical(value: Any, path: str = "spec") -> Json:
    """Return the JSON form of a value, from which its fingerprint is computed.

    A dataclass becomes an object with the name of its type and with its fields, except those marked `OUTSIDE`. An enum
    member becomes its name. A float without a fraction becomes an integer, so that `32` and `32.0` agree.

    Args:
        value: the value.
        path: place of the value in a spec, for messages.

    Raises:
        UserError: the value has no stable form.
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
    """Return the SHA-256 (64 hexadecimal digits) of a value's canonical JSON text."""
    return canonical_fingerprint(canonical(identity))


def canonical_fingerprint(identity: Json) -> str:
    """Return the fingerprint of a value that `canonical` has returned."""
    return hashlib.sha256(_ENCODER.encode(identity).encode()).hexdigest()
