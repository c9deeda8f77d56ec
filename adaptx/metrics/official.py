"""The error for inputs on which an official scorer stops with an exception instead of giving a score."""

from adaptx.errors import UserError


class OfficialStop(UserError):
    """The exception with which the official script stops on this input.

    kind: the name of the Python exception, such as "ZeroDivisionError". message: the exception's message. cause: the
    reason, in adaptx's words. Stops are compared by their kind only, because most messages change with the version of
    Python, and some contain file names.
    """

    def __init__(self, kind: str, message: str, cause: str) -> None:
        super().__init__(f"{cause} (the official script stops with {kind}: {message})")
        self.kind = kind
        self.message = message
        self.cause = cause
