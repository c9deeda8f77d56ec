"""The check of names that become file names."""

from functools import lru_cache

from adaptx.errors import UserError

MOST_BYTES = 100
"""Maximum length of a name. File systems allow 255 bytes, and a file name may be made of several names."""


def check_file_name(field: str, name: str) -> None:
    """Refuse a name that is unsafe as a file name. `field` is where the user gave the name, such as `Task(name)`.

    Raises:
        UserError: the name is empty or too long, contains a slash or an unprintable character, begins with a dot or
            dash, or begins or ends with a space.
    """
    if reason := _refusal(name):
        raise UserError(
            f"{field}={name!r}: it becomes a file name, and {reason}; use letters, digits, `_`, `-` and `.`, and "
            "begin with a letter or digit"
        )


def check_address(field: str, address: str) -> None:
    """Refuse an address, such as `owner/name`, if one of its parts is unsafe as the name of a folder.

    Raises:
        UserError: a part is refused for the reasons of `check_file_name`.
    """
    for part in address.split("/"):
        if reason := _refusal(part):
            raise UserError(
                f"{field}={address!r}: its parts become folder names, and {part!r} cannot be one, because {reason}; "
                "write it as on the hub (`owner/name`)"
            )


@lru_cache(maxsize=4_096)
def _refusal(name: str) -> str | None:
    if not name:
        return "it is empty"
    if not name.isprintable():
        hidden = next(character for character in name if not character.isprintable())
        return f"it contains U+{ord(hidden):04X}, which is not a printable character"
    slash = next((character for character in "/\\" if character in name), None)
    if slash is not None:
        return f"it contains a slash (`{slash}`)"
    if name[0] in ".-":
        return f"it begins with `{name[0]}`"
    if name != name.strip():
        return "it begins or ends with a space"
    if (size := len(name.encode())) > MOST_BYTES:
        return f"it is {size} bytes long, more than {MOST_BYTES}"
    return None
