"""Where an official scorer stops with an exception instead of a number, ours stops with its name."""

from adaptx.errors import UserError


class OfficialStop(UserError):
    """The official script raises `kind` with `message` on this input; `cause` says why in our words.

    Kinds are the names of Python's exceptions ("ZeroDivisionError"). Most messages are the interpreter's and change
    with its version, and others name files; so stops are compared by their kind.
    """

    def __init__(self, kind: str, message: str, cause: str) -> None:
        super().__init__(f"{cause} (the official script stops with {kind}: {message})")
        self.kind = kind
        self.message = message
        self.cause = cause
