"""Methods by their names on the command line."""

from adaptx.errors import UserError
from adaptx.specs import Method, methods
from adaptx.specs.near import near

METHODS: dict[str, Method] = {method.name(): method() for method in methods.METHODS}


def find_method(name: str) -> Method:
    """Return the method of that name with its defaults.

    Raises:
        UserError: there is no such method.
    """
    if name.lower() not in METHODS:
        raise UserError(f"unknown method {name!r}; near: {near(name, METHODS)}. `adaptx methods` lists all of them.")
    return METHODS[name.lower()]
