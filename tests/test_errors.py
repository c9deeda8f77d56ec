"""The user's errors are UserErrors alone; anything else, a library's ValueError above all, is a fault in adaptx."""

import ast
import contextlib
import sys
from pathlib import Path

import pytest
import torch
from support import tiny

import adaptx
from adaptx.cli import app as cli
from adaptx.errors import FAULT, OutOfMemory, UserError, is_fault, told
from adaptx.execution import execute
from adaptx.specs import Evaluate, Lora, Train
from adaptx.training.progress import Silent

ROOT = Path(adaptx.__file__).parent
OURS_TO_MEND = {
    "backbones/packed_attention.py": "a layer that masks what is packed: no input can bring that about",
    "sources/tensor_headers.py": "caught in the same file, with whatever else a damaged file raises",
}
"""Files that may raise ValueError, and why."""


def test_a_value_error_is_raised_for_nothing_that_a_user_gave() -> None:
    raising = set()
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            raised = node.exc if isinstance(node, ast.Raise) else None
            name = raised.func if isinstance(raised, ast.Call) else raised
            if isinstance(name, ast.Name) and name.id == "ValueError":
                raising.add(path.relative_to(ROOT).as_posix())
    assert raising == set(OURS_TO_MEND)
    assert not issubclass(UserError, ValueError)


def test_errors_are_told_with_their_type_unless_they_are_the_users() -> None:
    assert told(UserError("give another one")) == "give another one"
    assert told(ValueError("zip() argument 2 is longer")) == "ValueError: zip() argument 2 is longer"
    faults = [ValueError("x"), KeyError("x"), RuntimeError("x"), AssertionError()]
    assert all(is_fault(error) for error in faults)
    assert not any(is_fault(error) for error in (UserError("x"), OutOfMemory("x"), OSError("disk full"), MemoryError()))


def ended(*words: object, monkeypatch, capsys) -> tuple[int, str]:
    monkeypatch.setattr(sys, "argv", ["adaptx", *map(str, words)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    said = capsys.readouterr()
    return int(end.value.code or 0), " ".join(said.err.split())


def test_a_library_s_value_error_is_a_fault_in_adaptx(monkeypatch, capsys) -> None:
    from adaptx.metrics import cases

    def broken(_file: Path) -> None:
        list(zip((1,), (1, 2), strict=True))

    monkeypatch.delenv("ADAPTX_DEBUG", raising=False)
    monkeypatch.setattr(cases, "read_case", broken)
    status, said = ended("score", "case.json", monkeypatch=monkeypatch, capsys=capsys)
    assert status == 1
    assert "ValueError: zip() argument 2 is longer" in said
    assert FAULT in said


RECIPE = """
import pathlib
from support import tiny
from adaptx.specs import Evaluate, Lora, Recipe

def build(world: str = "") -> Recipe:
    model = tiny.known_world(pathlib.Path(world)).bert
    return Recipe("failing", (Evaluate(tiny.train(model, tiny.NLI, Lora(2, 8)), tiny.NLI, "xa"),))
"""


@pytest.mark.parametrize(
    ("error", "said", "is_ours"),
    [
        (ValueError("zip() argument 2 is longer"), "ValueError: zip() argument 2 is longer", True),
        (UserError("column 'label' is empty"), ": column 'label' is empty", False),
        (torch.OutOfMemoryError("CUDA out of memory."), "out of memory (CUDA out of memory.). Use smaller", False),
        (MemoryError(), "out of memory (MemoryError). Use smaller micro-batches", False),
    ],
    ids=["fault", "user", "device", "machine"],
)
def test_a_failed_stage_is_told_apart_in_the_same_way(
    world, tmp_path, monkeypatch, capsys, error: Exception, said: str, is_ours: bool
) -> None:
    def fail(_node: object) -> None:
        raise error

    monkeypatch.delenv("ADAPTX_DEBUG", raising=False)
    monkeypatch.setitem(execute.EXECUTE, Train, lambda *_: contextlib.nullcontext(fail))
    recipe = tmp_path / "recipe.py"
    recipe.write_text(RECIPE)
    words = ("run", recipe, "--set", f"world={world.folder}", "--data", world.folder, "--store", tmp_path / "store")
    status, text = ended(*words, "--device", "cpu", monkeypatch=monkeypatch, capsys=capsys)
    assert status == 1
    assert said in text
    assert (FAULT in text) == is_ours


def test_every_kind_of_stage_has_its_executor(world, tmp_path) -> None:
    assert set(execute.EXECUTE) == {Train, adaptx.Merge, Evaluate}
    stage = Evaluate(tiny.train(world.bert, tiny.NLI, Lora(2, 8)), tiny.NLI, "xa")
    plan, shop = tiny.workshop(world, tmp_path, (stage,))
    for node in plan.nodes:
        assert execute.carry_out(execute.StageGroup((node,)), shop, Silent()) == {}
        assert shop.is_done(node)
