"""How numbers are written: scores in percent, gains in percentage points, memory in MiB, time in seconds."""

from adaptx.report.gains import Gain

NOTHING = "–"


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
    if gain.low is None:
        return points(gain.gain)
    return f"{points(gain.gain)} [{points(gain.low)}, {points(gain.high)}]"


def count(value: int | None) -> str:
    return NOTHING if value is None else f"{value:,}"


def of(used: int | None, expected: int | None) -> str:
    """Rows used beside rows expected: `300 / 9,315`."""
    return f"{count(used)} / {'?' if expected is None else count(expected)}"


def mebibytes(value: int | None) -> str:
    return NOTHING if value is None else f"{value / 2**20:,.0f}"


def seconds(value: float | None) -> str:
    """12.34 -> `12.3`, 1234.5 -> `1,234` (seconds)."""
    return NOTHING if value is None else f"{value:,.1f}" if value < 100 else f"{value:,.0f}"
