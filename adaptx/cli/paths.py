"""Checks of the paths and texts that a user types, made before any work begins."""

import os
from pathlib import Path

import typer


def folder(text: str | Path) -> Path:
    """Return the path of a folder.

    Raises:
        BadParameter: the text is empty.
    """
    # The shell does not expand `~` after an equals sign (`--store=~/runs`).
    return Path(given(str(text))).expanduser()


def new_folder(text: str | Path) -> Path:
    """Return the path of a folder to write to.

    Raises:
        BadParameter: the path is empty or a file, or the folder cannot be created or written to.
    """
    path = folder(text)
    if path.is_file():
        raise typer.BadParameter(f"{path} is a file; name a folder")
    if path.is_symlink() and not path.exists():
        raise typer.BadParameter(
            f"{path} is a link to {path.readlink()}, which does not exist; remove the link, or name another folder"
        )
    above = next(each for each in (path, *path.absolute().parents) if each.exists())
    if not above.is_dir():
        raise typer.BadParameter(f"{path} would be inside {above}, which is a file; name another folder")
    if not os.access(above, os.W_OK):
        raise typer.BadParameter(
            f"{path} cannot be created or written to: you have no permission to write to {above}; name another folder"
        )
    return path


def new_file(text: str | Path) -> Path:
    """Return the path of a file to write to. Its folder must exist.

    Raises:
        BadParameter: the path is empty or a folder, or its folder does not exist.
    """
    path = folder(text)
    if path.is_dir():
        raise typer.BadParameter(f"{path} is a folder; name a file in it")
    if not path.absolute().parent.is_dir():
        raise typer.BadParameter(f"there is no folder {path.parent}; create it first, or name a file elsewhere")
    return path


def given(text: str) -> str:
    """Check that an option's text is not empty, and return the text unchanged.

    Raises:
        BadParameter: the text is empty.
    """
    if not str(text).strip():
        raise typer.BadParameter(
            "the value is empty (perhaps a shell variable that is not set); give a value, or leave the option out"
        )
    return text
