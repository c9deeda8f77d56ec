"""Hundreds of broken inputs, made by rules: each is refused with its value, cause and remedy, and no traceback."""

import contextlib
import io
import re
import sys
from pathlib import Path

import pytest
from support.broken_inputs import GROUPS, Broken

from adaptx.cli import app as cli

REMEDY = re.compile(
    r"\b(write|give|use|take|choose|name|near|put|install|correct|remove|convert|leave|try|help|add|mend|map|check|"
    r"download|export|save|set|pass|make|keep|train|merge|continue|lower|lengthen|supported|takes?|must be|it has|"
    r"known|needs?|run|again|fetch|copy|re-?encode|ask|score|supply|fill|delete|begin|start|decide|adapt|expected|have)\b",
    re.IGNORECASE,
)


def ended(case: Broken, here: Path, world: Path) -> tuple[object, str]:
    """Run a case's command line in this process; return its exit status and all that it wrote."""
    here.mkdir()
    case.write(here)
    words = [word.replace("{here}", str(here)).replace("{world}", str(world)) for word in case.command]
    written, argv = io.StringIO(), sys.argv
    sys.argv = ["adaptx", *words]
    try:
        with contextlib.redirect_stdout(written), contextlib.redirect_stderr(written):
            cli.main()
        status: object = 0
    except SystemExit as end:
        status = end.code or 0
    except BaseException as error:
        status = f"{type(error).__name__}: {error}"
    finally:
        sys.argv = argv
    return status, " ".join(re.sub(r"[│╭╮╰╯─]", " ", written.getvalue()).split())


def faults(case: Broken, status: object, message: str) -> list[str]:
    """Return what is wrong with how a case ended."""
    found = [] if status in (1, 2) else [f"status {status}"]
    found += [f"it says {bad!r}" for bad in ("Traceback", "fault in adaptx") if bad in message]
    squeezed = message.replace(" ", "")
    found += [f"it does not name {said!r}" for said in case.says if said.replace(" ", "") not in squeezed]
    if not REMEDY.search(message):
        found.append("it names no remedy")
    return found


@pytest.mark.parametrize("group", GROUPS)
def test_broken_inputs_are_refused(group: str, world, tmp_path, monkeypatch) -> None:
    for name in ("ADAPTX_DATA", "ADAPTX_DEBUG", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ADAPTX_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("COLUMNS", "200")
    wrong: list[str] = []
    for number, case in enumerate(GROUPS[group](world.folder)):
        status, message = ended(case, tmp_path / str(number), world.folder)
        if found := faults(case, status, message):
            wrong.append(f"{case.name}: {'; '.join(found)}: {message[-400:]}")
    assert not wrong, f"{len(wrong)} cases:\n" + "\n".join(wrong)


def test_there_are_many_cases(world) -> None:
    cases = [case for make in GROUPS.values() for case in make(world.folder)]
    assert len(cases) >= 300
    assert len({case.name for case in cases}) == len(cases)
