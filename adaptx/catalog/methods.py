"""Methods by the names the command line takes."""

from adaptx.errors import UserError
from adaptx.specs import Method, methods
from adaptx.specs.near import near

METHODS: dict[str, Method] = {method.name(): method() for method in methods.METHODS}


def find_method(name: str) -> Method:
    """The method of that name, at its defaults.

    Raises:
        UserError: unknown; near names are listed.
    """
    if name.lower() not in METHODS:
        raise UserError(f"unknown method {name!r}; near: {near(name, METHODS)}. `adaptx methods` lists all of them.")
    return METHODS[name.lower()]
