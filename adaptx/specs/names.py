"""Names that become names of files: one check for all of them, so that no file lies outside its folder or gets lost."""

from functools import lru_cache

from adaptx.errors import UserError

MOST_BYTES = 100
"""File systems allow 255 bytes, and a file may be called after several names."""


def check_file_name(field: str, name: str) -> None:
    """Refuse a name that no file should have. field: what the user gave it as, `Task(name)`.

    Raises:
        UserError: the name is empty or too long, has a slash, a leading dot or dash, space around it, or a character
            that is not printed (a control character, NUL, half a surrogate pair).
    """
    if reason := _refusal(name):
        raise UserError(
            f"{field}={name!r}: files are called after it, and {reason}; use letters, digits, `_`, `-` and `.`, and "
            "begin with a letter or digit"
        )


def check_address(field: str, address: str) -> None:
    """Refuse an address in which a part between slashes would not do as a folder's name.

    Raises:
        UserError: as `check_file_name`.
    """
    for part in address.split("/"):
        if reason := _refusal(part):
            raise UserError(
                f"{field}={address!r}: folders are called after its parts, and of {part!r}: {reason}; write it as the "
                "hub does (`owner/name`)"
            )


@lru_cache(maxsize=4_096)
def _refusal(name: str) -> str | None:
    if not name:
        return "it is empty"
    if not name.isprintable():
        hidden = next(character for character in name if not character.isprintable())
        return f"it has U+{ord(hidden):04X}, which is no printable character"
    slash = next((character for character in "/\\" if character in name), None)
    if slash is not None:
        return f"it has a slash (`{slash}`)"
    if name[0] in ".-":
        return f"it begins with `{name[0]}`"
    if name != name.strip():
        return "it begins or ends with a space"
    if (size := len(name.encode())) > MOST_BYTES:
        return f"it is {size} bytes long, more than {MOST_BYTES}"
    return None
