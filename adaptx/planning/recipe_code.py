"""Run the code of a recipe file: choose what it can import and where it prints, and report its errors."""

import contextlib
import importlib
import importlib.util
import sys
import traceback
import types
from collections.abc import Generator
from pathlib import Path

from adaptx.errors import UserError
from adaptx.specs.near import near


@contextlib.contextmanager
def running(path: Path) -> Generator[None]:
    """Run the block as code of a recipe: imports also search the recipe's folder, and output goes to standard error.

    Afterwards `sys.path` and `sys.modules` are restored, so the next recipe's folder may have Python modules of the
    same names.

    Raises:
        UserError: the code fails or ends the process; the message names the file and the line.
    """
    with _importing_from(path.absolute().parent), contextlib.redirect_stdout(sys.stderr):
        try:
            yield
        except UserError as error:
            raise type(error)(f"recipe {path}{_at_line(path, error)}: {error}") from error
        except SystemExit as error:
            raise UserError(
                f"recipe {path}{_at_line(path, error)} ends the process by sys.exit({error.code!r}); remove that call, "
                "and raise an error if there is nothing to plan"
            ) from error
        except ModuleNotFoundError as error:
            raise UserError(
                f"recipe {path}{_at_line(path, error)} fails: {_named(error)}; {_missing(path, error)}"
            ) from error
        except ImportError as error:
            remedy = (
                "write `import name` for a module in the recipe's folder"
                if "relative" in str(error)
                else "correct that line"
            )
            raise UserError(f"recipe {path}{_at_line(path, error)} fails: {_named(error)}; {remedy}") from error
        except SyntaxError as error:
            where = f", line {error.lineno}" if error.lineno else ""
            raise UserError(f"recipe {path}{where} is not valid Python: {_named(error)}; correct that line") from error
        except Exception as error:
            raise UserError(
                f"recipe {path}{_at_line(path, error)} fails: {_named(error)}; correct that line, or see the whole "
                "traceback with `adaptx --debug ...`"
            ) from error


def import_recipe(path: Path) -> types.ModuleType:
    """Import a recipe file and return its Python module. Call it inside `running`.

    Raises:
        UserError: the file's name does not end in .py.
    """
    name = f"adaptx_recipe_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path.absolute())
    if spec is None or spec.loader is None:
        raise UserError("it is not a Python file; give it a name that ends in .py")
    module = importlib.util.module_from_spec(spec)
    # Dataclasses and enums look up their module in sys.modules while they are defined.
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    finally:
        sys.modules.pop(name, None)
    return module


@contextlib.contextmanager
def _importing_from(folder: Path) -> Generator[None]:
    names = _importable_names(folder)
    elsewhere = {
        name for name in names if name in sys.modules and _is_from_other_loose_folder(sys.modules[name], folder)
    }
    aside = {name: module for name, module in sys.modules.items() if name.partition(".")[0] in elsewhere}
    for name in aside:
        del sys.modules[name]
    before, writes = set(sys.modules), sys.dont_write_bytecode
    # Bytecode caches compare modification times in whole seconds: of two edits within a second, the second is missed.
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.dont_write_bytecode = writes
        with contextlib.suppress(ValueError):
            sys.path.remove(str(folder))
        tops = {name for name in names - before if name in sys.modules and _lies_in(sys.modules[name], folder)}
        for name in [*sys.modules]:
            if name.partition(".")[0] in tops:
                del sys.modules[name]
        sys.modules.update(aside)


def _importable_names(folder: Path) -> set[str]:
    try:
        entries = list(folder.iterdir())
    except OSError:
        return set()
    found = {entry.stem if entry.suffix == ".py" else entry.name for entry in entries}
    return {name for name in found if name.isidentifier()} - sys.stdlib_module_names


def _is_from_other_loose_folder(module: types.ModuleType, folder: Path) -> bool:
    file = getattr(module, "__file__", None)
    if file is None or module.__name__ == "adaptx" or _lies_in(module, folder):
        return False
    return not {"site-packages", "dist-packages"} & set(Path(file).absolute().parts)


def _lies_in(module: types.ModuleType, folder: Path) -> bool:
    file = getattr(module, "__file__", None)
    if file is None:
        return any(folder == Path(place).absolute().parent for place in getattr(module, "__path__", ()))
    path = Path(file).absolute()
    return folder == (path.parent.parent if path.name == "__init__.py" else path.parent)


def _missing(path: Path, error: ModuleNotFoundError) -> str:
    name = (error.name or "").partition(".")[0]
    beside = _importable_names(path.absolute().parent) - {path.stem}
    return f"near, in the recipe's folder: {near(name, beside)}. Put {name}.py there, or install it with pip"


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _at_line(path: Path, error: BaseException) -> str:
    frames = [f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename) == path.absolute()]
    return f", line {frames[-1].lineno}" if frames else ""
