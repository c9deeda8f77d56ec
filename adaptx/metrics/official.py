"""The error of inputs for which an official scorer stops with an exception and gives no score."""

from adaptx.errors import UserError


class OfficialStop(UserError):
    """An exception of the official script on this input.

    kind: the name of the Python exception, such as "ZeroDivisionError". message: its message. cause: the reason in our
    words. Stops are compared by their kind only, because most messages change with the version of Python, and some
    contain file names.
    """

    def __init__(self, kind: str, message: str, cause: str) -> None:
        super().__init__(f"{cause} (the official script stops with {kind}: {message})")
        self.kind = kind
        self.message = message
        self.cause = cause
