"""Write files atomically, with the permissions of the umask and with errors that name the file."""

import contextlib
import os
import secrets
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from adaptx.errors import UserError


@contextmanager
def written_whole(path: Path) -> Generator[Path]:
    """Yield a temporary path in the folder of `path`, and rename it to `path` if the block ends without an error.

    Other processes therefore see the whole file or none.

    Raises:
        OSError: the file could not be written; the error names `path`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    try:
        with naming(path, "written"):
            yield part
            os.replace(part, path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise


def new_folder(parent: Path, prefix: str) -> Path:
    """Make a folder with a new name. It has the umask's permissions, unlike the private folders of `tempfile`."""
    parent.mkdir(parents=True, exist_ok=True)
    folder = parent / f"{prefix}{secrets.token_hex(4)}"
    folder.mkdir()
    return folder


def share(folder: Path) -> None:
    """Give everything in a folder the permissions of the folder itself, because safetensors creates private files."""
    mode = folder.stat().st_mode
    for path in folder.rglob("*"):
        path.chmod(mode & (0o777 if path.is_dir() else 0o666))


@contextmanager
def naming(path: Path, done: str) -> Generator[None]:
    """Turn any error of the block, except a UserError, into an OSError that names the file.

    The block should contain only the call of a library that reads or writes the file. done: `read` or `written`, for
    the message.
    """
    try:
        yield
    except UserError:
        raise
    except OSError as error:
        if error.filename is None:
            raise OSError(
                f"{path} could not be {done}: {error.strerror or error}{_free_space_note(path, done)}"
            ) from error
        raise
    except Exception as error:
        cause = f"{type(error).__name__}: {error}"
        raise OSError(f"{path} could not be {done} ({cause}){_free_space_note(path, done)}") from error


def _free_space_note(path: Path, done: str) -> str:
    # Libraries do not report that the disk is full.
    if done == "read":
        return ""
    with contextlib.suppress(OSError):
        return f"; {shutil.disk_usage(path.parent).free / 1e6:.0f} MB are free on that disk"
    return ""
