"""From five fields on a dataclass is made by keyword: a row of bare values says nothing of what it holds."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = [file for folder in ("adaptx", "recipes", "benchmarks") for file in sorted((ROOT / folder).rglob("*.py"))]

BY_PLACE = {
    # What a recipe writes first, in the order in which one says it.
    "Train": 5,
    "Evaluate": 3,
    "Published": 3,
    "Task": 3,
    "Recipe": 2,
    "ModelSpec": 2,
    "Hidden": 2,
    "Prompt": 2,
    "TrainConfig": 1,
    "LoraHub": 1,
    "Architecture": 1,
    # A set of rows is named as the hub names it, and a row of sizes is a line of a table of checkpoints.
    "Rows": 5,
    "Shape": 7,
    # A kind of values, and how one is read.
    "Kind": 2,
}
"""Class of five fields or more -> how many of them may be given by place."""
EVERY_FIELD = {
    "Cell", "Cost", "Entry", "Lora", "TrainingTask", "Prediction", "Record", "Resources", "ScoredEvaluation",
    "StepSize",
}  # fmt: skip
"""Classes that still take all of their fields by place."""


def by_place(node: ast.ClassDef) -> tuple[int, int] | None:
    """Return how many fields a dataclass has and takes by place; None for another class."""
    decorators = [ast.unparse(each) for each in node.decorator_list]
    made = [each for each in decorators if "dataclass" in each or each.split("(")[0] == "spec"]
    if not made:
        return None
    fields = [
        each for each in node.body if isinstance(each, ast.AnnAssign) and "ClassVar" not in ast.unparse(each.annotation)
    ]
    names = [each.target.id for each in fields if isinstance(each.target, ast.Name)]
    if "kw_only=True" in made[0]:
        return len(names), 0
    before = fields[: names.index("_")] if "_" in names else fields
    return len(names), sum("kw_only=True" not in ast.unparse(each) for each in before)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_five_fields_or_more_are_given_by_name(file: Path) -> None:
    classes = [node for node in ast.walk(ast.parse(file.read_text("utf-8"))) if isinstance(node, ast.ClassDef)]
    counts = {node.name: found for node in classes if (found := by_place(node)) is not None and found[0] >= 5}
    wrong = {
        name: places
        for name, (_, places) in counts.items()
        if name not in EVERY_FIELD and places > BY_PLACE.get(name, 0)
    }
    assert not wrong, f"write kw_only=True, or `_: KW_ONLY` behind the first fields: {wrong}"


def test_the_exceptions_are_there() -> None:
    nodes = [node for file in FILES for node in ast.walk(ast.parse(file.read_text("utf-8")))]
    names = {node.name for node in nodes if isinstance(node, ast.ClassDef)}
    assert {*BY_PLACE, *EVERY_FIELD} <= names
