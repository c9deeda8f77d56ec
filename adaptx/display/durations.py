"""Durations as text, in the unit that suits their size."""

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0


def duration(seconds: float) -> str:
    """Return a duration as text: `0.4 s`, `80 s`, `2.5 min`, `45 min`, `3.4 h`, `36 h`, `12 days`."""
    if 0 < seconds < 1:
        return f"{seconds:.1f} s" if seconds >= 0.05 else "< 0.1 s"
    if seconds < 1.5 * MINUTE:
        return f"{seconds:.0f} s"
    if seconds < 1.5 * HOUR:
        return f"{_digits(seconds / MINUTE)} min"
    if seconds < 2 * DAY:
        return f"{_digits(seconds / HOUR)} h"
    return f"{_digits(seconds / DAY)} days"


def _digits(value: float) -> str:
    return f"{value:.1f}" if value < 9.95 else f"{value:,.0f}"
