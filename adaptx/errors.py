"""Errors that a user can fix, and the message shown for an error of any kind."""

from collections.abc import Mapping

FAULT = "This is a fault in adaptx, not in your input"


class UserError(Exception):
    """An error that the user can fix: bad input, or a machine that is too small.

    The message says what is wrong (with the value), why, and what to do.

    It is not a ValueError, because Python and its libraries raise ValueError for faults in adaptx too, and a handler of
    user errors must not catch those. If bad input makes a library raise ValueError, adaptx raises a UserError instead.
    """


class MissingInput(UserError):
    """Data or weights that are not in the place where they are expected."""


class NotFinite(UserError):
    """A weight, loss, gradient or output that is NaN or infinite, so that results computed from it mean nothing."""


class OutOfMemory(UserError):
    """A device or machine with less memory than a stage needs."""


class StagesFailed(Exception):
    """The error at the end of a run in which some stages failed. All other stages are stored.

    Attributes:
        failed: stage name -> cause, for stages that failed or were skipped because they need a failed stage.
        errors: stage name -> exception, for stages that failed.
    """

    def __init__(self, failed: Mapping[str, str], errors: Mapping[str, Exception]) -> None:
        lines = (f"  {name}: {cause}" for name, cause in failed.items())
        super().__init__("\n".join((f"{len(failed)} stages failed or were skipped:", *lines)))
        self.failed, self.errors = dict(failed), dict(errors)


def is_fault(error: BaseException) -> bool:
    """Return whether an error is a fault in adaptx, and not caused by the user's input or by the system."""
    return not isinstance(error, UserError | OSError | MemoryError)


def told(error: BaseException) -> str:
    """Return the message of an error. The error's type comes first, unless the error is a `UserError`."""
    return str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
