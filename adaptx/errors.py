"""Errors that a user can act on, and how errors of any kind are told to the user."""

from collections.abc import Mapping

FAULT = "This is a fault in adaptx, not in your input"


class UserError(Exception):
    """Bad input, or a lack of the machine that the user can mend; the message names value, cause and remedy.

    It is not a ValueError. Python and its libraries raise those for faults in adaptx too, and no handler may take one
    for the other; where a library's ValueError is due to the user's input, it becomes a UserError at that place.
    """


class MissingInput(UserError):
    """Data or weights that are not where they were asked for."""


class NotFinite(UserError):
    """A weight, loss, gradient or output that is NaN or infinite: what was computed with it would mean nothing."""


class OutOfMemory(UserError):
    """The device or the machine has less memory than a stage needs."""


class StagesFailed(Exception):
    """Stages of a run failed, or were skipped because they need one that did; all others are stored.

    failed: stage name -> cause. errors: stage name -> the error itself, of those that failed themselves.
    """

    def __init__(self, failed: Mapping[str, str], errors: Mapping[str, Exception]) -> None:
        lines = (f"  {name}: {cause}" for name, cause in failed.items())
        super().__init__("\n".join((f"{len(failed)} stages failed or were skipped:", *lines)))
        self.failed, self.errors = dict(failed), dict(errors)


def is_fault(error: BaseException) -> bool:
    """Return whether an error is a fault in adaptx, which neither the user's input nor the system explains."""
    return not isinstance(error, UserError | OSError | MemoryError)


def told(error: BaseException) -> str:
    """Return an error as one message; its type is named unless the message was written for the user."""
    return str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
