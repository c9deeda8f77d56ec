"""Numbers as text: scores in percent, gains in percentage points, memory in MiB, time in seconds."""

from adaptx.report.gains.gain import Gain

NOTHING = "–"
THOUSANDS = ("", "k", "M", "B", "T", "P", "E", "Z")
"""B (billion) instead of G, because parameters are counted that way."""


def percent(share: float | None, digits: int = 1) -> str:
    """Return a share in percent: 0.4833 -> `48.3`. The unit is in the column's header."""
    return NOTHING if share is None else f"{100 * share:.{digits}f}"


def points(share: float | None) -> str:
    """Return a share in percentage points with its sign: 0.0312 -> `+3.1`, -0.02 -> `−2.0`. Zero has no sign."""
    if share is None:
        return NOTHING
    rounded = round(100 * share, 1)
    return "0.0" if rounded == 0 else f"{rounded:+.1f}".replace("-", "−")


def gain_text(gain: Gain) -> str:
    """Return a gain with its interval, such as `+3.1 [+0.4, +5.9]`, or the gain alone if it has no interval.

    Without a gain, return `baseline` or `no baseline`.
    """
    if gain.is_baseline:
        return "baseline"
    if gain.gain is None:
        return "no baseline"
    return interval_text(gain.gain, gain.low, gain.high)


def p_text(p: float | None) -> str:
    """Return a p-value for a table cell: 0.0312 -> `0.031`, 0.00002 -> `<0.001`, 1 -> `1.0`."""
    if p is None:
        return NOTHING
    return "<0.001" if p < 0.001 else "1.0" if p > 0.9995 else f"{p:.3f}"


def p_equals(p: float | None) -> str:
    """Return a p-value for a sentence: 0.0312 -> `p = 0.031`, 0.00002 -> `p < 0.001`."""
    return f"p {p_text(p)}".replace("<", "< ") if p is not None and p < 0.001 else f"p = {p_text(p)}"


def interval_text(value: float, low: float | None, high: float | None) -> str:
    """Return `+3.1 [+0.4, +5.9]` in percentage points, or the value alone if `low` is None."""
    return points(value) if low is None else f"{points(value)} [{points(low)}, {points(high)}]"


def range_text(low: float | None, high: float | None) -> str:
    """Return `[+0.4, +5.9]` in percentage points, or a dash if there is no interval."""
    return NOTHING if low is None else f"[{points(low)}, {points(high)}]"


def detectable_text(plain: float | None, corrected: float | None) -> str:
    """Return a detectable gain in points, with the one after Holm's correction in brackets: `3.1 (3.8)`.

    corrected: None leaves out the brackets.
    """
    return percent(plain) if corrected is None else f"{percent(plain)} ({percent(corrected)})"


def count(value: int | None) -> str:
    return NOTHING if value is None else f"{value:,}"


def shortened(value: float) -> str:
    """Return a large number with three digits and a power of a thousand: 278043648 -> `278M`, 3.5e12 -> `3.50T`."""
    power = 0
    while value >= 999.5 and power < len(THOUSANDS) - 1:
        value, power = value / 1000, power + 1
    return f"{value:#.3g}".rstrip(".") + THOUSANDS[power]


def of(used: int | None, expected: int | None) -> str:
    """Return the numbers of used and expected rows: `300 / 9,315`, or `300 / ?` if the second is unknown."""
    return f"{count(used)} / {'?' if expected is None else count(expected)}"


def mebibytes(value: int | None) -> str:
    """Return a number of bytes in MiB: 3221225472 -> `3,072`."""
    return NOTHING if value is None else f"{value / 2**20:,.0f}"


def watt_hours(joules: float | None) -> str:
    """Return an energy, given in joules, in watt-hours: 7200.0 -> `2.00`."""
    return NOTHING if joules is None else f"{joules / 3600:,.2f}"


def throughput(value: float | None) -> str:
    """Return a rate, such as examples per second: 12.34 -> `12.3`, 1234.5 -> `1,234`."""
    return NOTHING if value is None else f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


def seconds(value: float | None) -> str:
    """Return a number of seconds as text: 12.34 -> `12.3`, 1234.5 -> `1,234`."""
    return throughput(value)
