"""Memory sizes as text: parsing what users type, and formatting for display."""

import re

from adaptx.errors import UserError

UNITS = {"": 1, "B": 1, "MB": 10**6, "GB": 10**9, "MIB": 2**20, "GIB": 2**30, "M": 2**20, "G": 2**30}


def parse_bytes(text: str) -> int:
    """Return the number of bytes of a size such as `24GiB`, `80GB` or `16g`.

    Raises:
        UserError: the text is not a size, or is zero.
    """
    match = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)\s*", text)
    if match is None or match[2].upper() not in UNITS or float(match[1]) == 0:
        raise UserError(f"--gpu {text}: this is not a size; give the memory of the device, such as 24GiB or 80GB")
    return int(float(match[1]) * UNITS[match[2].upper()])


def gib(size: float) -> str:
    """Return a size in GiB, or in MiB if it is less than one GiB."""
    return f"{size / 2**30:.2f} GiB" if size >= 2**30 else f"{size / 2**20:.1f} MiB"
