"""Files that are there whole or not at all, with the permissions of the umask, and errors that name the file."""

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
    """Yield a path next to `path` to write to, which takes its place when the block ends without an error.

    Raises:
        OSError: it could not be written; the error names `path`.
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
    """Make a folder of a name that is new. Unlike tempfile's, which are private, it has the umask's permissions."""
    parent.mkdir(parents=True, exist_ok=True)
    folder = parent / f"{prefix}{secrets.token_hex(4)}"
    folder.mkdir()
    return folder


def share(folder: Path) -> None:
    """Give all that is in a folder made by `new_folder` its permissions; safetensors writes private files."""
    mode = folder.stat().st_mode
    for path in folder.rglob("*"):
        path.chmod(mode & (0o777 if path.is_dir() else 0o666))


@contextmanager
def naming(path: Path, done: str) -> Generator[None]:
    """Turn whatever a library raises when it cannot read or write a file into an OSError that names the file.

    done: `read` or `written`, as the message says it. The block should hold that call alone.
    """
    try:
        yield
    except UserError:
        raise
    except OSError as error:
        if error.filename is None:
            raise OSError(f"{path} could not be {done}: {error.strerror or error}{_free(path, done)}") from error
        raise
    except Exception as error:
        cause = f"{type(error).__name__}: {error}"
        raise OSError(f"{path} could not be {done} ({cause}){_free(path, done)}") from error


def _free(path: Path, done: str) -> str:
    """Return the free space for a message, since libraries do not say that the disk is full."""
    if done == "read":
        return ""
    with contextlib.suppress(OSError):
        return f"; {shutil.disk_usage(path.parent).free / 1e6:.0f} MB are free there"
    return ""
