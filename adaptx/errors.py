"""Errors that a user can fix, and the messages of all errors."""

from collections.abc import Mapping

FAULT = "This is a fault in adaptx, not in your input"


class UserError(Exception):
    """An error that the user can fix: bad input, or a machine that is too small.

    The message says what is wrong (with the value), why, and what to do.

    This is not a ValueError, because faults in adaptx can raise ValueError too. A handler of user errors must not catch
    faults.
    """


class MissingInput(UserError):
    """Data or weights that are not in the place where they are expected."""


class NotFinite(UserError):
    """A weight, loss, gradient or output that is NaN or infinite."""


class OutOfMemory(UserError):
    """A device or machine with less memory than a stage needs."""


class StagesFailed(Exception):
    """The error at the end of a run in which some stages failed. All other stages are stored.

    Attributes:
        failed: stage name -> cause, for stages that failed and stages that needed one of them.
        errors: stage name -> exception, for stages that failed.
    """

    def __init__(self, failed: Mapping[str, str], errors: Mapping[str, Exception]) -> None:
        lines = (f"  {name}: {cause}" for name, cause in failed.items())
        super().__init__("\n".join((f"{len(failed)} stages failed or were skipped:", *lines)))
        self.failed, self.errors = dict(failed), dict(errors)


def is_fault(error: BaseException) -> bool:
    """Return whether an error is a fault of adaptx rather than of the user's input or the system."""
    return not isinstance(error, UserError | OSError | MemoryError)


def told(error: BaseException) -> str:
    """Return the message of an error, with its type in front unless it is a `UserError`."""
    return str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
