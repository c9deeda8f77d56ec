"""Errors that a user can act on; the command line prints them without a traceback."""

from collections.abc import Iterable, Mapping


class UserError(ValueError):
    """Bad input: the message names the value, the cause and the remedy."""


class MissingInput(UserError):
    """Data or weights that are not where they were asked for."""


class NotFinite(UserError):
    """A weight, loss, gradient or output that is NaN or infinite: what was computed with it would mean nothing."""


class StagesFailed(Exception):
    """Stages of a run failed, or were skipped because they need one that did; all others are stored.

    failed: stage name -> cause. errors: the errors themselves.
    """

    def __init__(self, failed: Mapping[str, str], errors: Iterable[Exception]) -> None:
        lines = (f"  {name}: {cause}" for name, cause in failed.items())
        super().__init__("\n".join((f"{len(failed)} stages failed or were skipped:", *lines)))
        self.failed, self.errors = dict(failed), tuple(errors)
