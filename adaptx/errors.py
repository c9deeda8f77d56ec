"""Errors that a user can act on; the command line prints them without a traceback."""


class UserError(ValueError):
    """Bad input: the message names the value, the cause and the remedy."""


class MissingInput(UserError):
    """Data or weights that are not where they were asked for."""


class NotFinite(UserError):
    """A weight, loss, gradient or output that is NaN or infinite: what was computed with it would mean nothing."""
