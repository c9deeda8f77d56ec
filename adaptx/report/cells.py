"""How numbers are written: scores in percent, gains in percentage points, memory in MiB, time in seconds."""

from adaptx.report.gains import Gain

NOTHING = "–"
THOUSANDS = ("", "k", "M", "B", "T", "P", "E", "Z")
"""B, not G: as parameters are counted."""


def percent(share: float | None, digits: int = 1) -> str:
    """0.4833 -> `48.3`; the unit is in the column's header."""
    return NOTHING if share is None else f"{100 * share:.{digits}f}"


def points(share: float | None) -> str:
    """0.0312 -> `+3.1`, -0.02 -> `−2.0`: percentage points, always with a sign (a zero has none)."""
    if share is None:
        return NOTHING
    rounded = round(100 * share, 1)
    return "0.0" if rounded == 0 else f"{rounded:+.1f}".replace("-", "−")


def gain_text(gain: Gain) -> str:
    """`+3.1 [+0.4, +5.9]`, or why there is no gain; a gain alone where no interval can be drawn."""
    if gain.is_baseline:
        return "baseline"
    if gain.gain is None:
        return "no baseline"
    return interval_text(gain.gain, gain.low, gain.high)


def p_text(p: float | None) -> str:
    """0.0312 -> `0.031`, 0.00002 -> `<0.001`."""
    return NOTHING if p is None else "<0.001" if p < 0.001 else f"{p:.3f}"


def p_equals(p: float | None) -> str:
    """0.0312 -> `p = 0.031`, 0.00002 -> `p < 0.001`."""
    return f"p {p_text(p)}".replace("<", "< ") if p is not None and p < 0.001 else f"p = {p_text(p)}"


def interval_text(value: float, low: float | None, high: float | None) -> str:
    """`+3.1 [+0.4, +5.9]` in points; the value alone without an interval."""
    return points(value) if low is None else f"{points(value)} [{points(low)}, {points(high)}]"


def count(value: int | None) -> str:
    return NOTHING if value is None else f"{value:,}"


def shortened(value: float) -> str:
    """278043648 -> `278M`, 3.5e12 -> `3.5T`: three digits and the power of a thousand."""
    power = 0
    while value >= 999.5 and power < len(THOUSANDS) - 1:
        value, power = value / 1000, power + 1
    return f"{value:#.3g}".rstrip(".") + THOUSANDS[power]


def of(used: int | None, expected: int | None) -> str:
    """Rows used beside rows expected: `300 / 9,315`."""
    return f"{count(used)} / {'?' if expected is None else count(expected)}"


def mebibytes(value: int | None) -> str:
    return NOTHING if value is None else f"{value / 2**20:,.0f}"


def watt_hours(joules: float | None) -> str:
    return NOTHING if joules is None else f"{joules / 3600:,.2f}"


def throughput(value: float | None) -> str:
    """12.34 -> `12.3`, 1234.5 -> `1,234`: examples per second, say."""
    return NOTHING if value is None else f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


def seconds(value: float | None) -> str:
    """As `throughput`, in seconds."""
    return throughput(value)
