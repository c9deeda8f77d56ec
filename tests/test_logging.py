"""As a library adaptx logs what a run does, says nothing unless asked, and leaves other libraries' loggers alone."""

import ast
import logging
import subprocess
import sys
from pathlib import Path

import pytest
from support import tiny

import adaptx
from adaptx.cli.options import showing_warnings
from adaptx.execution.local import run
from adaptx.specs import Evaluate, Lora
from adaptx.store.store import Store
from adaptx.training.progress import SHOWN, Silent, noting

ROOT = Path(adaptx.__file__).parent
OTHERS = ("adapters", "bitsandbytes", "mlflow", "alembic", "transformers", "peft")


def test_each_module_logs_under_its_own_name() -> None:
    names: dict[str, set[str]] = {}
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "logging.getLogger":
                names.setdefault(ast.unparse(node.args[0]), set()).add(path.relative_to(ROOT).as_posix())
    assert len(names.pop("__name__")) >= 10
    # The package's logger as a whole: who shows its records, and who sends them from a worker.
    assert names.pop("'adaptx'") == {"cli/options.py", "execution/worker.py", "execution/workers.py"}
    # Levels of other libraries' loggers, for the time of one block.
    assert names.pop("name") == {"backbones/quiet.py"}
    assert names.pop("record.name") == {"execution/workers.py"}
    assert not names


def test_nothing_is_said_unless_asked() -> None:
    code = "import adaptx, logging; logging.getLogger('adaptx.some.module').warning('unasked'); {} print('done')"
    loud = "logging.basicConfig(); logging.getLogger('adaptx.some.module').warning('asked');"
    for more, said in (("", ""), (loud, "WARNING:adaptx.some.module:asked\n")):
        ended = subprocess.run([sys.executable, "-c", code.format(more)], capture_output=True, text=True, check=True)
        assert (ended.stdout, ended.stderr) == ("done\n", said)


def stages(world) -> tuple[Evaluate, ...]:
    return tiny.everywhere(tiny.train(world.bert, tiny.NLI, Lora(2, 8)))


def messages(caplog) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name.startswith("adaptx")]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_run_logs_what_it_does(world, tmp_path, caplog, workers: int) -> None:
    plan, shop = tiny.workshop(world, tmp_path, stages(world))
    names = {node.name for node in plan.nodes}
    with caplog.at_level(logging.INFO, "adaptx"):
        assert run(plan, shop, Silent(), workers=workers).complete
    said = messages(caplog)
    assert said[0] == "recipe tiny: 3 of 3 stages to do on cpu"
    assert {line.partition(": started on cpu")[0] for line in said if ": started on" in line} == names
    assert {line.partition(": stored after ")[0] for line in said if ": stored after " in line} == names
    assert said[-1] == "recipe tiny: 3 stages finished, 0 by other runs, 0 failed"
    processes = {record.processName for record in caplog.records if ": stored after " in record.getMessage()}
    assert ("worker 1" in processes) == (workers == 2)

    store = Store(tmp_path)
    broken = store.find(plan.nodes[1].fingerprint).folder
    (broken / "scores.json").write_text("{")
    caplog.clear()
    with caplog.at_level(logging.INFO, "adaptx"):
        assert run(plan, shop, Silent(), workers=workers).complete
    (warning,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert f"evaluate/{broken.name} is damaged" in warning.getMessage()
    assert warning.name == "adaptx.execution.local"


def test_a_run_leaves_the_levels_of_other_loggers_alone(world, tmp_path) -> None:
    before = {name: logging.getLogger(name).level for name in OTHERS}
    try:
        for name in OTHERS:
            logging.getLogger(name).setLevel(logging.DEBUG)
        _, _, summary = tiny.execute(world, tmp_path, stages(world))
        assert summary.complete, summary.failed
        assert {logging.getLogger(name).level for name in OTHERS} == {logging.DEBUG}
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


def test_the_terminal_shows_each_warning_once(capsys) -> None:
    shown: list[str] = []

    class Notes(Silent):
        def note(self, text: str) -> None:
            shown.append(text)

    log = logging.getLogger("adaptx.somewhere")
    with showing_warnings():
        log.warning("pickled weights of %s", "a folder")
        log.info("a detail")
        noting(Notes(), log, logging.WARNING)("a stage is damaged")
        log.error("a stage failed", extra=SHOWN)
    log.warning("later")
    assert capsys.readouterr().err == "pickled weights of a folder\n"
    assert shown == ["a stage is damaged"]
