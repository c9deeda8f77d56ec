"""Errors that a user can act on, and how errors of any kind are told to the user."""

from collections.abc import Mapping

FAULT = "This is a fault in adaptx, not in your input"


class UserError(Exception):
    """Bad input, or too small a machine: the user can mend it. The message names the value, the cause and the remedy.

    It is not a ValueError, because Python and its libraries raise ValueError for faults in adaptx too, and no handler
    may take one for the other. Where bad input makes a library raise ValueError, the caller turns it into a UserError.
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
