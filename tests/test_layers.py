"""The folders of the package are in one order, files import without cycles, heavy packages stay in their place."""

import ast
import graphlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "adaptx"

# The folders of the package: each imports from those before it alone, functions' own imports included.
ORDER = (
    "errors",
    "specs",
    "sample",
    "files",
    "store",
    "sources",
    "published",
    "metrics",
    "catalog",
    "backbones",
    "data",
    "planning",
    "formats",
    "costs",
    "display",
    "tracking",
    "report",
    "methods",
    "training",
    "profiling",
    "composition",
    "evaluation",
    "execution",
    "exporting",
    "api",
    "cli",
)
# Planning loads these: none of them imports a heavy package as it is loaded. It leaves exact search alone.
LIGHT = {
    "errors",
    "specs",
    "sample",
    "store",
    "sources",
    "published",
    "files",
    "catalog",
    "metrics",
    "planning",
    "costs",
    "display",
    "tracking",
    "api",
}
HEAVY = {"torch", "transformers", "peft", "adapters", "datasets", "ray", "accelerate"}
# Package -> where it may be imported, at module level or inside functions.
ONLY_IN = {
    "adapters": ("adaptx/methods/adapters_backend.py", "adaptx/methods/adapters_classes.py"),
    "peft": ("adaptx/methods/", "adaptx/composition/"),
    "mlflow": ("adaptx/tracking/",),
    "bitsandbytes": ("adaptx/methods/quantised.py",),
    "ray": ("adaptx/execution/cluster.py",),
}


def module_name(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_name(file): file for file in sorted(PACKAGE.rglob("*.py"))}
TREES = {name: ast.parse(file.read_text(encoding="utf-8")) for name, file in FILES.items()}


def folder(name: str) -> str:
    """The folder, or file of the root, that a module lies in; the package itself for its `__init__`."""
    return name.split(".")[1] if "." in name else name


def imported(node: ast.AST) -> list[str]:
    """Full names a single import statement may stand for: the module, and each name taken from it."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, "imports are absolute here"
        return [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
    return []


def at_module_level(tree: ast.Module) -> list[str]:
    """Imports that run when the module does: those outside functions and outside `if TYPE_CHECKING`."""
    names: list[str] = []
    todo: list[ast.AST] = [tree]
    while todo:
        node = todo.pop()
        names += imported(node)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            todo += node.orelse
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            todo += ast.iter_child_nodes(node)
    return names


def anywhere(tree: ast.Module) -> list[str]:
    return [name for node in ast.walk(tree) for name in imported(node)]


def ours(names: list[str]) -> set[str]:
    return {name for name in names if name in FILES}


def packages(names: list[str]) -> set[str]:
    return {name.partition(".")[0] for name in names}


def test_the_root_is_the_map() -> None:
    found = {path.name for path in PACKAGE.iterdir() if path.name != "__pycache__"}
    assert {name for name in found if "." in name} == {"__init__.py", "errors.py", "api.py", "py.typed"}
    assert {name.removesuffix(".py") for name in found} == {*ORDER, "__init__", "py.typed"}


def test_the_map_in_the_docs_lists_the_folders_in_their_order() -> None:
    page = (ROOT / "docs" / "development.md").read_text(encoding="utf-8")
    assert tuple(re.findall(r"^\| `(\w+)(?:/|\.py)` \|", page, flags=re.MULTILINE)) == ORDER


def test_the_readme_shows_the_same_tree() -> None:
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    tree = page.partition("## The package")[2].partition("## ")[0]
    assert tuple(re.findall(r"^    (\w+)(?:/|\.py)  ", tree, flags=re.MULTILINE)) == ORDER


@pytest.mark.parametrize("name", [name for name in FILES if name != "adaptx"])
def test_a_folder_imports_from_those_before_it(name: str) -> None:
    place = ORDER.index(folder(name))
    later = {other for other in ours(anywhere(TREES[name])) if other != "adaptx" and ORDER.index(folder(other)) > place}
    assert not later, f"adaptx/{folder(name)} comes before what {name} imports: {sorted(later)}"


def test_no_two_files_import_each_other_in_a_cycle() -> None:
    # Of `from adaptx.specs import Task` the package's own file is the dependency of others, not of its own parts.
    graph = {
        name: {other for other in ours(at_module_level(tree)) if other != name and not name.startswith(f"{other}.")}
        for name, tree in TREES.items()
    }
    graphlib.TopologicalSorter(graph).prepare()


@pytest.mark.parametrize("parent", sorted({folder(name) for name in FILES if name.count(".") > 2}))
def test_the_folders_inside_a_folder_import_without_cycles(parent: str) -> None:
    inside = {name: name.split(".")[2] for name in FILES if folder(name) == parent and name.count(".") > 2}
    graph: dict[str, set[str]] = {}
    for name, place in inside.items():
        others = {inside[other] for other in ours(anywhere(TREES[name])) if other in inside}
        graph.setdefault(place, set()).update(others - {place})
    graphlib.TopologicalSorter(graph).prepare()


@pytest.mark.parametrize(
    "name",
    [name for name in FILES if folder(name) in {*LIGHT, "adaptx"} and not name.startswith("adaptx.metrics.search.")],
)
def test_planning_layers_import_nothing_heavy(name: str) -> None:
    heavy = packages(at_module_level(TREES[name])) & (HEAVY | {"mlflow"})
    assert not heavy, f"planning loads {name} and would wait for {sorted(heavy)}"


@pytest.mark.parametrize("package", ONLY_IN)
def test_packages_are_imported_in_their_place_alone(package: str) -> None:
    places = [str(FILES[name].relative_to(ROOT)) for name, tree in TREES.items() if package in packages(anywhere(tree))]
    assert [place for place in places if not place.startswith(ONLY_IN[package])] == []


RECIPE = """
from adaptx import Evaluate, Lora, Recipe, Sequential, Train, TrainConfig
from adaptx.catalog import E5_MINI, NLI, SNLI

def build() -> Recipe:
    config = TrainConfig(learning_rate=1e-3, epochs=1)
    target = Train(E5_MINI, NLI, Lora(), config, Sequential(Train(E5_MINI, SNLI, Lora(), config)))
    return Recipe("light", (Evaluate(target, NLI, "en"), Evaluate(target, NLI, "ko")))
"""


def test_planning_leaves_the_heavy_packages_alone(tmp_path: Path) -> None:
    recipe = tmp_path / "light.py"
    recipe.write_text(RECIPE)
    code = (
        "import sys, json\n"
        "import adaptx.cli.app\n"
        f"sys.argv = ['adaptx', 'plan', {str(recipe)!r}, '--why', '--data', 'sample', '--store', {str(tmp_path)!r}]\n"
        "try:\n    adaptx.cli.app.main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ}, check=True)
    assert "4 stages" in ended.stdout
    loaded = set(json.loads(ended.stdout.splitlines()[-1]))
    # pyarrow reads small local sets, to find rows that a training shares with the target task.
    slow = {"torch", "transformers", "peft", "adapters", "datasets", "accelerate", "mlflow", "pandas"}
    assert loaded & slow == set()


def test_a_class_name_means_one_thing() -> None:
    """Two classes of one name, in whatever files, are read as one concept; private ones too."""
    found: dict[str, list[str]] = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                found.setdefault(node.name.lstrip("_"), []).append(str(file.relative_to(PACKAGE)))
    assert len(found) > 300
    assert not {name: files for name, files in found.items() if len(files) > 1}
