"""Paths that a command line gives, looked at before any work: none is empty, and a place to write to can be made."""

import os
from pathlib import Path

import typer


def folder(text: str | Path) -> Path:
    """Return the path of a folder.

    Raises:
        BadParameter: the text is empty.
    """
    # The shell leaves `~` as it is after an equals sign.
    return Path(given(str(text))).expanduser()


def new_folder(text: str | Path) -> Path:
    """Return a folder to write to.

    Raises:
        BadParameter: no path, a file, or a place where no folder can be made or written to.
    """
    path = folder(text)
    if path.is_file():
        raise typer.BadParameter(f"{path} is a file; name a folder")
    if path.is_symlink() and not path.exists():
        raise typer.BadParameter(
            f"{path} is a link to {path.readlink()}, which is not there; remove it, or name a folder"
        )
    above = next(each for each in (path, *path.absolute().parents) if each.exists())
    if not above.is_dir():
        raise typer.BadParameter(f"{path} would lie below {above}, which is a file; name another folder")
    if not os.access(above, os.W_OK):
        raise typer.BadParameter(f"{path} cannot be made or written to: {above} is not yours to write to")
    return path


def new_file(text: str | Path) -> Path:
    """Return a file to write to, whose folder is there.

    Raises:
        BadParameter: no path, a folder, or one in a folder that is not there.
    """
    path = folder(text)
    if path.is_dir():
        raise typer.BadParameter(f"{path} is a folder; name a file in it")
    if not path.absolute().parent.is_dir():
        raise typer.BadParameter(f"there is no folder {path.parent}; make it first, or name a file elsewhere")
    return path


def given(text: str) -> str:
    """Return a text that is not empty.

    Raises:
        BadParameter: it is.
    """
    if not str(text).strip():
        raise typer.BadParameter("it is empty, as a variable that is not set leaves it; give a value, or leave it out")
    return text
