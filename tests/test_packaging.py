"""What the wheel says and holds: what is imported is declared, what is declared is imported, and types are shipped."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "adaptx"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
ELSEWHERE = {"pynvml": "nvidia-ml-py", "adapters": "adapters", "bitsandbytes": "bitsandbytes"}
"""Imported name -> distribution, of those that an environment may do without."""
FOR_USERS = ("bottleneck", "quant", "energy")
"""Extras whose packages adaptx itself imports."""


def imports(tree: ast.Module) -> set[str]:
    """The packages that a module imports, within functions too."""
    names = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return {name.partition(".")[0] for name in names} - {"adaptx"} - set(sys.stdlib_module_names)


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(requirements: list[str]) -> set[str]:
    return {plain(re.match(r"[\w.-]+", each)[0]) for each in requirements}


@pytest.fixture(scope="module")
def imported() -> set[str]:
    """The distributions whose packages adaptx imports."""
    known = packages_distributions()
    found = {name for file in PACKAGE.rglob("*.py") for name in imports(ast.parse(file.read_text(encoding="utf-8")))}
    # mlflow's package is shared by several distributions: the one of its name stands for them.
    return {plain(ELSEWHERE.get(name) or (name if name in known[name] else known[name][0])) for name in found}


def test_every_package_that_is_imported_is_declared_and_no_other(imported) -> None:
    extras = PROJECT["project"]["optional-dependencies"]
    optional = declared([each for name in FOR_USERS for each in extras[name]])
    assert declared(PROJECT["project"]["dependencies"]) | optional == imported


def test_types_are_shipped() -> None:
    assert (PACKAGE / "py.typed").is_file()
    # The wheel takes all of the package that git does not ignore.
    assert PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"] == {"packages": ["adaptx"]}
    ignored = subprocess.run(["git", "check-ignore", "-q", "adaptx/py.typed"], cwd=ROOT, check=False)
    assert ignored.returncode != 0
