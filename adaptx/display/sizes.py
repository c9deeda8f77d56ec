"""Sizes of memory as people write and read them."""

import re

from adaptx.errors import UserError

UNITS = {"": 1, "B": 1, "MB": 10**6, "GB": 10**9, "MIB": 2**20, "GIB": 2**30, "M": 2**20, "G": 2**30}


def parse_bytes(text: str) -> int:
    """Bytes of a size such as `24GiB`, `80GB` or `16g`.

    Raises:
        UserError: it is none.
    """
    match = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)\s*", text)
    if match is None or match[2].upper() not in UNITS or float(match[1]) == 0:
        raise UserError(f"--gpu {text}: give the memory of the device as a size, such as 24GiB or 80GB")
    return int(float(match[1]) * UNITS[match[2].upper()])


def gib(size: float) -> str:
    """In GiB, or in MiB where that is less than one."""
    return f"{size / 2**30:.2f} GiB" if size >= 2**30 else f"{size / 2**20:.1f} MiB"
