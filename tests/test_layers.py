"""Imports point downward, or sideways without cycles between files; heavy packages stay where DESIGN puts them."""

import ast
import graphlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "adaptx"

# The longest prefix of a module's name decides. New files at the top of the package need a line here.
LAYERS = {
    "adaptx": 0,
    "adaptx.errors": 0,
    "adaptx.writing": 0,
    "adaptx.metrics": 0,
    "adaptx.mixing_weights": 1,
    "adaptx.json_text": 0,
    "adaptx.progress": 0,
    "adaptx.sample": 0,
    "adaptx.specs": 0,
    "adaptx.catalog": 1,
    "adaptx.checkpoint_files": 1,
    "adaptx.claim": 1,
    "adaptx.costs": 1,
    "adaptx.damage": 1,
    "adaptx.digests": 1,
    "adaptx.files": 1,
    "adaptx.framings": 1,
    "adaptx.gpu_costs": 1,
    "adaptx.identity": 1,
    "adaptx.integrity": 1,
    "adaptx.lineage": 1,
    "adaptx.live_runs": 1,
    "adaptx.memory_check": 1,
    "adaptx.namesakes": 1,
    "adaptx.naming": 1,
    "adaptx.plan": 1,
    "adaptx.pruning": 1,
    "adaptx.published_source": 1,
    "adaptx.recipe_code": 1,
    "adaptx.recipe_file": 1,
    "adaptx.recipe_options": 1,
    "adaptx.sources": 1,
    "adaptx.step_memory": 1,
    "adaptx.store": 1,
    "adaptx.tensor_headers": 1,
    "adaptx.tracking": 1,
    "adaptx.data": 2,
    "adaptx.backbones": 3,
    "adaptx.published": 3,
    "adaptx.text_statistics": 3,
    "adaptx.composition": 4,
    "adaptx.formats": 4,
    "adaptx.methods": 4,
    "adaptx.checkpoints": 5,
    "adaptx.evaluation": 5,
    "adaptx.training": 5,
    "adaptx.gradients": 5,
    "adaptx.sampling": 5,
    "adaptx.unread": 1,
    "adaptx.zero_shot": 1,
    "adaptx.scoring": 6,
    "adaptx.search": 3,
    "adaptx.execution": 6,
    "adaptx.exporting": 6,
    "adaptx.profiling": 6,
    "adaptx.report": 6,
    "adaptx.views": 6,
    "adaptx.cli": 7,
    "adaptx.__main__": 7,
    "adaptx.cli_catalog": 7,
    "adaptx.cli_export": 7,
    "adaptx.cli_memory": 7,
    "adaptx.cli_options": 7,
    "adaptx.cli_paths": 7,
    "adaptx.cli_rows": 7,
    "adaptx.cli_store": 7,
    "adaptx.opening": 7,
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


def layer(name: str) -> int:
    while name not in LAYERS:
        above, _, _ = name.rpartition(".")
        assert above != "adaptx" or name in LAYERS, f"{name} is in no layer: give it a line in LAYERS"
        name = above
    return LAYERS[name]


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


@pytest.mark.parametrize("name", FILES)
def test_imports_point_downward_or_sideways(name: str) -> None:
    upward = {other for other in ours(anywhere(TREES[name])) if layer(other) > layer(name)}
    assert not upward, f"{name} (L{layer(name)}) imports from a higher layer: {sorted(upward)}"


def test_no_two_files_import_each_other_in_a_cycle() -> None:
    # Of `from adaptx.specs import Task` the package's own file is the dependency of others, not of its own parts.
    graph = {
        name: {other for other in ours(at_module_level(tree)) if other != name and not name.startswith(f"{other}.")}
        for name, tree in TREES.items()
    }
    graphlib.TopologicalSorter(graph).prepare()


@pytest.mark.parametrize("name", [name for name in FILES if layer(name) <= 1])
def test_planning_layers_import_nothing_heavy(name: str) -> None:
    heavy = packages(at_module_level(TREES[name])) & (HEAVY | {"mlflow"})
    assert not heavy, f"{name} is L{layer(name)}, so planning would wait for {sorted(heavy)}"


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
        "import adaptx.cli\n"
        f"sys.argv = ['adaptx', 'plan', {str(recipe)!r}, '--why', '--data', 'sample', '--store', {str(tmp_path)!r}]\n"
        "try:\n    adaptx.cli.main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ}, check=True)
    assert "4 stages" in ended.stdout
    loaded = set(json.loads(ended.stdout.splitlines()[-1]))
    slow = {"torch", "transformers", "peft", "adapters", "datasets", "accelerate", "mlflow", "pyarrow", "pandas"}
    assert loaded & slow == set()
