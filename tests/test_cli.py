"""The command line: help, JSON for programs, exit statuses, and errors that say what, why and what to do."""

import contextlib
import io
import json
import os
import shlex
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.fake_store import fake_mirror, fake_model, fill, put_modules

from adaptx.catalog import MODELS, NLI, TASKS, TATOEBA
from adaptx.catalog.prompts import PROMPTS
from adaptx.cli import app as cli
from adaptx.cli.recipe_options import RecipeOptions
from adaptx.planning.plan import make_plan
from adaptx.planning.recipe_file import load_recipe
from adaptx.sources.sources import Sources
from adaptx.specs import Evaluate, Resources, Train
from adaptx.store.live_runs import at_work
from adaptx.store.store import Store

COMMANDS = [command.name or command.callback.__name__ for command in cli.app.registered_commands]
RECIPE = """
import dataclasses
from adaptx import Evaluate, Full, Lora, ModelSpec, Recipe, Sequential, Train, TrainConfig
from adaptx.catalog import E5_MINI, NLI, SNLI, TATOEBA

def build(model: ModelSpec = E5_MINI, learning_rate: float = 1e-3, baseline: bool = True) -> Recipe:
    config = TrainConfig(learning_rate=learning_rate, epochs=1)
    first = Train(model, SNLI, Lora(), TrainConfig(learning_rate=1e-3, epochs=1))
    trained = [Train(model, NLI, Lora(), config, Sequential(first))]
    if baseline:
        trained += [Train(model, NLI, Full(), config)]
    evaluations = [Evaluate(train, NLI, language) for train in trained for language in ("en", "ko")]
    return Recipe("cli-test", (*evaluations, Evaluate(model, TATOEBA, "es")), question="A test?")
"""


class Ended(NamedTuple):
    status: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The message of a refused command, held against the form that all messages have."""
        assert self.out == ""
        assert "Traceback" not in self.err
        return " ".join(self.err.split())


@pytest.fixture
def adaptx(capfd, monkeypatch, tmp_path):
    """The command line as a function; with a store of its own, and MLflow's settings out of the way."""
    for name in ("ADAPTX_DATA", "ADAPTX_DEBUG", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ADAPTX_STORE", str(tmp_path / "store"))

    def call(*arguments: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["adaptx", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        captured = capfd.readouterr()
        return Ended(int(end.value.code or 0), captured.out, captured.err)

    return call


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    file = tmp_path / "question.py"
    file.write_text(RECIPE)
    return file


@pytest.fixture
def data(tmp_path: Path) -> Path:
    from adaptx.catalog import SNLI

    return fake_mirror(tmp_path / "data", NLI, SNLI, TATOEBA)


def stored(recipe: Path, data: Path, tmp_path: Path, **options: str) -> Store:
    """A store with every stage of the recipe in it."""
    store, sources = Store(tmp_path / "store"), Sources(data)
    plan = make_plan(load_recipe(recipe, options), sources)
    fill(plan, store, sources)
    put_modules(plan, store)
    return store


# --- help and the catalog


def test_every_command_has_help_with_an_example(adaptx) -> None:
    ended = adaptx("--help")
    assert ended.status == 0
    assert all(command in ended.out for command in COMMANDS)
    assert set(COMMANDS) >= {
        "new",
        "plan",
        "power",
        "run",
        "report",
        "ui",
        "predict",
        "evaluate",
        "prune",
        "tasks",
        "models",
        "methods",
        "prompts",
    }
    for command in COMMANDS:
        ended = adaptx(command, "--help")
        assert ended.status == 0
        assert f"Example: adaptx {command}" in " ".join(ended.out.split()), command


def test_the_catalog_as_tables_and_as_json(adaptx) -> None:
    tasks = json.loads(adaptx("tasks", "--json").out)
    assert [task["name"] for task in tasks] == list(TASKS)
    assert set(tasks[0]) >= {"name", "format", "labels", "metrics", "train", "evaluation", "licence", "citation"}
    models = json.loads(adaptx("models", "--json").out)
    assert [model["hub_id"] for model in models] == list(MODELS)
    assert set(models[0]) >= {"hub_id", "family", "parameters", "shape", "licence", "citation", "seen"}
    methods = json.loads(adaptx("methods", "--json").out)
    starts = {entry["name"]: entry["starts"] for entry in methods}
    assert starts["lora"]["Sequential"] is None
    assert starts["lora"]["Fuse"] is None
    assert "fuse Lora" in starts["full"]["Fuse"]
    assert methods == [json.loads(adaptx("methods", name, "--json").out)[0] for name in starts]
    assert "refused" in adaptx("methods", "full").out
    assert "near: lora" in adaptx("methods", "lorra").error
    prompts = json.loads(adaptx("prompts", "--json").out)
    assert [prompt["name"] for prompt in prompts] == list(PROMPTS)
    assert {"name", "formats", "template", "answers"} <= set(prompts[0])
    for command, words in (
        ("tasks", TASKS),
        ("models", MODELS),
        ("methods", ("Lora", "Fuse", "refused")),
        ("prompts", PROMPTS),
    ):
        ended = adaptx(command)
        assert ended.status == 0
        assert all(word in ended.out for word in words)
    shown = adaptx("tasks", "nli").out
    assert "klue/klue/nli/validation" in shown
    assert "[500:]" in shown


# --- plan


def test_plan_lists_every_stage_once(adaptx, recipe, data) -> None:
    ended = adaptx("plan", recipe, "--data", data, "--why")
    assert ended.status == 0
    assert "cli-test: 8 stages" in ended.out
    assert "to do: 3 trainings, 5 evaluations" in ended.out
    assert "because nothing is stored under this name" in ended.out
    assert ended.out.count("\n e5-mini.nli.full-") == 1


def test_plan_has_a_line_per_variant_and_with_all_a_line_per_stage(adaptx, recipe, data) -> None:
    short, every = adaptx("plan", recipe, "--data", data).out, adaptx("plan", recipe, "--data", data, "--all").out
    assert short.count("\n e5-mini.nli.full ") == 1
    assert "nli en, ko" in short
    assert "--all: a line per stage" in short
    assert every.count("\n e5-mini.nli.full-") == 1
    assert every.count("\n   e5-mini.nli.full.nli in 2 languages: en, ko") == 1
    assert "to do: 3 trainings, 5 evaluations" in short
    assert short.partition("to do: 3")[2] == every.partition("to do: 3")[2]


def test_plan_says_what_gpu_changes(adaptx, recipe, data) -> None:
    line = "--gpu changes the predicted memory (that on cuda, compared with 24.00 GiB), and nothing else"
    assert line in adaptx("plan", recipe, "--data", data, "--gpu", "24GiB").out
    assert "--gpu changes" not in adaptx("plan", recipe, "--data", data).out


def test_plan_as_json_has_the_designs_keys(adaptx, recipe, data) -> None:
    body = json.loads(adaptx("plan", recipe, "--data", data, "--json").out)
    assert len(body["stages"]) == 8
    for stage in body["stages"]:
        assert set(stage) >= {"name", "kind", "fingerprint", "stored", "factors", "cost"}
        assert stage["kind"] in ("train", "evaluate")
        assert stage["stored"] is False
        assert stage["cost"]["seconds"] > 0
        assert set(stage["factors"]) >= {"model", "method", "start", "intermediate", "target", "seed"}


def test_plan_says_stored_and_then_names_what_changed(adaptx, recipe, data, tmp_path) -> None:
    stored(recipe, data, tmp_path)
    ended = adaptx("plan", recipe, "--data", data)
    assert "all stored in" in ended.out
    assert "to do" not in ended.out
    body = json.loads(adaptx("plan", recipe, "--data", data, "--json").out)
    assert all(stage["stored"] for stage in body["stages"])
    changed = adaptx("plan", recipe, "--data", data, "--why", "--set", "learning_rate=5e-4").out
    assert "to do: 2 trainings, 4 evaluations" in changed
    assert "at the median rate of 3 stored trainings" in changed
    assert "because config.learning_rate: 0.001 -> 0.0005" in changed
    assert "because its input e5-mini.nli.full changed" in changed


def test_limit_precision_and_model_are_identity(adaptx, recipe, data, tmp_path) -> None:
    plain = json.loads(adaptx("plan", recipe, "--data", data, "--json").out)["stages"]
    fake_model(tmp_path / "other")
    for options in (["--limit", "5"], ["--precision", "bf16"], ["--model", str(tmp_path / "other")]):
        changed = json.loads(adaptx("plan", recipe, "--data", data, "--json", *options).out)["stages"]
        assert not {s["fingerprint"] for s in plain} & {s["fingerprint"] for s in changed}, options


def test_plan_and_help_answer_without_the_heavy_packages(recipe, data, tmp_path) -> None:
    heavy = ["torch", "transformers", "mlflow", "datasets", "pandas"]
    code = (
        "import sys; from adaptx.cli.app import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
        "assert not [name for name in {heavy} if name in sys.modules]\n"
    )
    environment = {**os.environ, "ADAPTX_STORE": str(tmp_path / "store")}
    for arguments in (["--help"], ["plan", "--help"], ["plan", str(recipe), "--data", str(data)], ["methods"]):
        # A plan over local data compares rows, which pyarrow reads.
        unwanted = heavy if "--data" in arguments else [*heavy, "pyarrow"]
        command = [sys.executable, "-c", code.format(heavy=unwanted), *arguments]
        subprocess.run(command, check=True, capture_output=True, env=environment)


# --- errors


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["tasks", "nlii"], "unknown task 'nlii'; near: nli"),
        (["plan", "{recipe}", "--model", "e5-mni"], "near: e5-mini"),
        (["plan", "{recipe}", "--set", "learning_rte=1"], "build() has no option 'learning_rte'; near: learning_rate"),
        (["plan", "{recipe}", "--set", "learning_rate"], "--set learning_rate: write it as KEY=VALUE"),
        (["plan", "{recipe}", "--set", "learning_rate=fast"], "learning_rate='fast': it is not a finite number"),
        (
            ["plan", "{recipe}", "--set", "learning_rate=-1"],
            "(learning_rate=-1.0): learning_rate must be above 0",
        ),
        (["plan", "{recipe}", "--size", "small"], "build() has no option 'size'"),
        (["plan", "{recipe}", "--precision", "fp8"], "--precision fp8: choose one of fp32, bf16"),
        (["plan", "{recipe}", "--data", "/nowhere"], "--data /nowhere: there is no such folder"),
        (["plan", "{folder}/questoin.py"], "there is no such file; near: "),
        (["run", "{folder}/none.py"], "there is no such file"),
        (["report", "{recipe}", "--data", "{data}"], "no evaluation of recipe cli-test is stored"),
        (["predict", "nothing", "rows.csv"], "stage 'nothing': no stage has that name or fingerprint"),
        (["evaluate", "nothing", "--task", "rows.csv"], "it has: nothing"),
        (["ui"], "there are no runs in"),
    ],
)
def test_errors_are_one_message_and_status_2(adaptx, recipe, data, tmp_path, arguments, said: str) -> None:
    places = {"recipe": str(recipe), "data": str(data), "folder": str(tmp_path)}
    ended = adaptx(*(argument.format(**places) for argument in arguments))
    assert said in ended.error
    assert ended.error.startswith("error: ")
    assert ended.status == 2


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("x = 1", "has no build()"),
        ("def build():\n    return 1", "build() returned a int"),
        ("def build():\n    return {}['key']", "line 2 fails: KeyError: 'key'"),
        ("def build(model, rows):\n    return 1", "add --model NAME --set rows=VALUE"),
        ("import nothing_there", "line 1 fails: ModuleNotFoundError"),
    ],
)
def test_recipes_that_are_wrong(adaptx, tmp_path, body: str, said: str) -> None:
    file = tmp_path / "wrong.py"
    file.write_text(body)
    ended = adaptx("plan", file)
    assert said in ended.error
    assert ended.status == 2


def test_a_missing_data_set_names_the_file_and_what_is_there(adaptx, recipe, data) -> None:
    (data / "nyu-mll/glue/mnli/train.parquet").unlink()
    ended = adaptx("plan", recipe, "--data", data)
    assert ended.status == 2
    assert f"{data}/nyu-mll/glue/mnli/train.parquet" in ended.error
    assert "nyu-mll/glue has only: nyu-mll/glue/mnli/validation_matched.parquet" in ended.error
    assert "adaptx fetch" in ended.error


def test_refused_combinations_are_listed(adaptx, recipe) -> None:
    recipe.write_text(RECIPE.replace("Train(model, NLI, Full(), config)", "Train(model, TATOEBA, Full(), config)"))
    ended = adaptx("plan", recipe)
    assert ended.status == 2
    assert "cannot run: - Full on tatoeba: tatoeba is a Bitext task, which can only be evaluated" in ended.error


@pytest.mark.parametrize("arguments", [["nonsense"], ["plan"], ["plan", "x.py", "--limit", "0"], ["plan", "x", "--no"]])
def test_usage_errors_have_status_2(adaptx, arguments) -> None:
    ended = adaptx(*arguments)
    assert ended.status == 2
    assert "Traceback" not in ended.err


def test_a_traceback_only_with_debug(recipe, tmp_path) -> None:
    recipe.write_text("def build():\n    return {}['key']\n")
    command = [sys.executable, "-c", "from adaptx.cli.app import main; main()"]
    plain = subprocess.run([*command, "plan", str(recipe)], capture_output=True, text=True, check=False)
    assert plain.returncode == 2
    assert "Traceback" not in plain.stderr
    full = subprocess.run([*command, "--debug", "plan", str(recipe)], capture_output=True, text=True, check=False)
    assert full.returncode != 0
    assert "Traceback" in full.stderr
    assert "KeyError: 'key'" in full.stderr


def test_the_version_is_printed(adaptx) -> None:
    ended = adaptx("--version")
    assert (ended.status, ended.out) == (0, f"adaptx {version('adaptx')}\n")


def completing(*words: str, **environment: str) -> str:
    """What the command line prints in a process of its own, in which it is called as `adaptx`."""
    code = "import sys; sys.argv[0] = 'adaptx'; from adaptx.cli.app import main; main()"
    given = {**os.environ, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1", **environment}
    return subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, env=given).stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shells_completion_is_printed_and_installed(tmp_path, shell: str) -> None:
    shown = completing("--show-completion", shell)
    assert "_ADAPTX_COMPLETE" in shown
    told = completing("--install-completion", shell, HOME=str(tmp_path))
    assert f"{shell} completion installed in {tmp_path}" in told.replace("\n", "")
    installed = [file.read_text() for file in tmp_path.rglob("*adaptx*") if file.is_file()]
    assert any("_ADAPTX_COMPLETE" in text for text in installed)


def test_commands_are_completed() -> None:
    words = {"_ADAPTX_COMPLETE": "complete_bash", "COMP_WORDS": "adaptx pl", "COMP_CWORD": "1"}
    assert completing(**words).split() == ["plan"]


@pytest.mark.parametrize("module", ["adaptx.cli"])
def test_the_command_line_as_a_module(module) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", module, "methods", "--no"], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2, "an unknown option, so that the command line has read it"
    assert "--no" in ended.stderr


def test_faults_of_our_own_are_told_as_such(adaptx, recipe, monkeypatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr("adaptx.api.make_plan", broken)
    ended = adaptx("plan", recipe)
    assert ended.status == 1
    assert "RuntimeError: broken This is a fault in adaptx, not in your input: `adaptx --debug ...`" in ended.error


def test_ctrl_c_says_what_stays(adaptx, recipe) -> None:
    recipe.write_text("def build():\n    raise KeyboardInterrupt\n")
    ended = adaptx("plan", recipe)
    assert ended.status == cli.INTERRUPTED
    assert "interrupted: finished stages are kept; the next run continues the current one" in ended.error


# --- run, up to the first stage


def write_rows(data: Path, address: str, **columns: list) -> None:
    pq.write_table(pa.table(columns), data / f"{address}.parquet")


PAIR = {"premise": ["a"], "hypothesis": ["b"]}


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"text": ["a"]}, "train.parquet has no column 'premise' (read as text); it has: text"),
        ({**PAIR, "label": [9]}, "train.parquet, row 0: label 9 is not in the label set (entailment, neutral, contrad"),
        ({**PAIR, "label": [-1]}, "train.parquet is empty: it has 1 rows, but none is left"),
    ],
)
def test_bad_rows_stop_a_run_before_its_first_stage(adaptx, recipe, data, tmp_path, columns, said: str) -> None:
    write_rows(data, "mteb/tatoeba-bitext-mining/spa-eng/test", sentence1=["a"], sentence2=["b"])
    write_rows(data, "stanfordnlp/snli/plain_text/train", **columns)
    ended = adaptx("run", recipe, "--data", data, "--device", "cpu")
    assert said in " ".join(ended.err.split())
    assert ended.status == 2
    assert not (tmp_path / "store" / "train").exists()


def test_weights_in_a_form_that_is_not_read(adaptx, recipe, data, tmp_path) -> None:
    fake_model(tmp_path / "tiny-bert")
    (tmp_path / "tiny-bert" / "model.safetensors").rename(tmp_path / "tiny-bert" / "tf_model.h5")
    ended = adaptx("plan", recipe, "--data", data, "--model", tmp_path / "tiny-bert")
    assert ended.status == 2
    assert "holds no weights that adaptx reads" in ended.error
    assert "Convert it: python -c" in ended.error


def test_a_device_that_is_not_there(adaptx, recipe, data) -> None:
    for device in ("warp", "cuda:99"):
        ended = adaptx("run", recipe, "--data", data, "--device", device)
        assert ended.status == 2
        assert f"--device {device}: " in ended.error


def test_failed_stages_are_named_with_their_cause_and_status_1(adaptx, recipe, data, monkeypatch) -> None:
    from adaptx.execution import execute, local

    def fail(node) -> None:
        raise RuntimeError(f"no luck with {node.name}")

    def away(_node) -> None:
        raise OSError("away")

    monkeypatch.setattr(local, "check_rows", lambda *_: [])
    monkeypatch.setitem(execute.EXECUTE, Train, lambda *_: contextlib.nullcontext(fail))
    monkeypatch.setitem(execute.EXECUTE, Evaluate, lambda *_: contextlib.nullcontext(away))
    ended = adaptx("run", recipe, "--data", data, "--device", "cpu")
    assert ended.status == 1
    said = " ".join(ended.err.split())
    assert "8 stages failed or were skipped" in said
    assert "e5-mini.snli.lora-r8: RuntimeError: no luck with e5-mini.snli.lora-r8" in said
    assert "e5-mini.nli.lora-r8.sequential-snli: skipped, because it needs e5-mini.snli.lora-r8, which failed" in said
    assert "e5-mini.tatoeba.es: OSError: away" in said
    assert "Traceback" not in said


def test_what_a_run_may_use_reaches_its_stages(adaptx, recipe, data, monkeypatch) -> None:
    from adaptx.execution import execute, local

    found = set()
    monkeypatch.setattr(local, "check_rows", lambda *_: [])

    def watch(shop, _progress):
        return contextlib.nullcontext(lambda _node: found.add(shop.resources))

    for kind in execute.EXECUTE:
        monkeypatch.setitem(execute.EXECUTE, kind, watch)
    given = ("--device", "cpu", "--micro-batch-size", 4, "--micro-batch-tokens", 90, "--saved-state-seconds", 5)
    adaptx("run", recipe, "--data", data, *given, "--gradient-checkpointing")
    assert found == {Resources("cpu", 4, 90, 5.0, gradient_checkpointing=True)}


def test_running_what_is_stored_is_status_0(adaptx, recipe, data, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    stored(recipe, data, tmp_path)
    ended = adaptx("run", recipe, "--data", data, "--device", "cpu", "--keep", "--tracking", "http://127.0.0.1:1")
    assert ended.status == 0
    assert "0 stages run, 8 of 8 stored" in ended.out
    assert f"adaptx report {recipe}" in ended.out


def test_a_told_command_can_be_pasted_into_a_shell(tmp_path) -> None:
    options = RecipeOptions(
        recipe=tmp_path / "a recipe.py",
        store=tmp_path / "a?store",
        data=None,
        model=None,
        size=None,
        settings=("note=it's",),
        limit=3,
        precision=None,
    )
    words = ["adaptx", "report", options.recipe, "--limit", 3, "--store", options.store, "--set", "note=it's"]
    assert shlex.split(options.command("report")) == [*map(str, words)]


# --- prune


def test_prune_shows_and_then_removes_what_the_recipe_does_not_reach(
    adaptx, recipe, data, tmp_path, monkeypatch
) -> None:
    store = stored(recipe, data, tmp_path)
    before = set(store.entries())
    ended = adaptx("prune", recipe, "--data", data)
    assert (ended.status, "nothing to remove" in ended.out) == (0, True)

    options = ("prune", recipe, "--data", data, "--set", "baseline=no")
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    asked = adaptx(*options)
    assert asked.status == 1, "nobody said yes"
    assert "train/e5-mini.nli.full-" in asked.out
    assert "evaluate/e5-mini.nli.full.nli.ko-" in asked.out
    assert "e5-mini.snli.lora-r8-" not in asked.out
    assert set(Store(store.root).entries()) == before

    done = adaptx(*options, "--yes")
    assert (done.status, "3 stages removed" in done.out) == (0, True)
    gone = before - set(Store(store.root).entries())
    assert len(gone) == 3
    assert "nothing to remove" in adaptx(*options).out


def test_prune_removes_nothing_while_a_run_is_at_work(adaptx, recipe, data, tmp_path) -> None:
    store = stored(recipe, data, tmp_path)
    options = ("prune", recipe, "--data", data, "--set", "baseline=no", "--yes")
    with at_work(store.root, ()):
        ended = adaptx(*options)
    assert ended.status == 2
    assert "nothing was removed: another run is using" in ended.err
    assert "3 stages removed" in adaptx(*options).out


def test_prune_removes_stages_of_data_that_changed(adaptx, recipe, data, tmp_path) -> None:
    stored(recipe, data, tmp_path)
    file = data / "klue/klue/nli/validation.parquet"
    file.write_bytes(file.read_bytes() + b"!")
    ended = adaptx("prune", recipe, "--data", data, "--yes")
    assert "2 stages and 1 leftovers removed" in ended.out
    assert ended.out.count(".nli.ko-") == 2


def test_prune_over_several_recipes_keeps_what_any_reaches(adaptx, recipe, data, tmp_path) -> None:
    stored(recipe, data, tmp_path)
    other = recipe.with_name("other.py")
    other.write_text(RECIPE.replace("baseline: bool = True", "baseline: bool = False"))
    assert "nothing to remove" in adaptx("prune", other, recipe, "--data", data).out
    assert "3 stages removed" in adaptx("prune", other, "--data", data, "--yes").out


# --- predict and evaluate, up to where a model would be loaded


def test_weights_that_a_run_would_remove_are_said_before(adaptx, recipe, data, tmp_path) -> None:
    said = "full fine-tuned weights that `run` removes once their scores are stored: "
    planned = adaptx("plan", recipe, "--data", data)
    (line,) = [line for line in planned.out.splitlines() if line.startswith(said)]
    assert "e5-mini.nli.full" in line
    assert "add --keep to `adaptx run`" in line
    store = stored(recipe, data, tmp_path)
    assert said in adaptx("plan", recipe, "--data", data).out
    for entry in [each for each in store.entries().values() if ".full" in each.folder.name and each.has_module]:
        store.forget_module(entry)
    assert said not in adaptx("plan", recipe, "--data", data).out


def test_predicting_with_weights_that_are_gone_names_the_command(adaptx, recipe, data, tmp_path) -> None:
    store = stored(recipe, data, tmp_path)
    entry = next(e for e in store.entries().values() if e.folder.name.startswith("e5-mini.nli.full-"))
    store.forget_module(entry)
    rows = tmp_path / "rows.csv"
    rows.write_text("premise,hypothesis\na,b\n")
    ended = adaptx("predict", entry.folder.name, rows, "--data", data)
    assert ended.status == 2
    assert "its weights were removed once its scores were stored; retrain and keep them" in ended.error


def test_predicting_with_a_training_of_several_tasks_names_them(adaptx, recipe, data, tmp_path) -> None:
    recipe.write_text(
        RECIPE.replace("Lora, ModelSpec", "Lora, Mixture, ModelSpec").replace(
            "Train(model, SNLI,", "Train(model, BOTH,"
        )
        + "\nBOTH = Mixture((SNLI, NLI))\n"
    )
    store = stored(recipe, data, tmp_path)
    entry = next(e for e in store.entries().values() if e.folder.name.startswith("e5-mini.snli_nli.lora-"))
    rows = tmp_path / "rows.csv"
    rows.write_text("premise,hypothesis,label\na,b,neutral\n")
    for arguments in (["predict", entry.folder.name, rows], ["evaluate", entry.folder.name, "--task", rows]):
        ended = adaptx(*arguments, "--data", data)
        assert ended.status == 2
        assert "was trained on several tasks (snli, nli); name a training of one task" in ended.error


# --- report


def test_report_as_json_is_the_tidy_table_though_no_server_answers(adaptx, recipe, data, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    stored(recipe, data, tmp_path)
    server = "http://127.0.0.1:1"
    ended = adaptx("report", recipe, "--data", data, "--out", tmp_path / "out", "--json", "--tracking", server)
    assert ended.status == 0, ended.err
    assert f"MLflow at {server} could not record" in " ".join(ended.err.split())
    body = json.loads(ended.out)
    rows = body if isinstance(body, list) else next(value for value in body.values() if isinstance(value, list))
    assert len(rows) == 5
    assert {"task", "language", "metric", "value", "variant"} <= set(rows[0])
    assert (tmp_path / "out" / "report.html").is_file()


def test_plan_says_what_does_not_fit(adaptx, recipe) -> None:
    asked = adaptx("plan", recipe, "--data", "sample", "--gpu", "1200MiB", "--json")
    stages = json.loads(asked.out)["stages"]
    fits = {stage["factors"]["method"]: stage["fits"] for stage in stages if stage["kind"] == "train"}
    assert fits == {"lora-r8": True, "full": False}
    shown = adaptx("plan", recipe, "--data", "sample", "--gpu", "1200MiB")
    assert "1 trainings do not fit into 1.17 GiB" in shown.out
    assert "every training fits into 24.00 GiB" in adaptx("plan", recipe, "--data", "sample", "--gpu", "24GiB").out
    assert {
        stage["fits"] for stage in json.loads(adaptx("plan", recipe, "--data", "sample", "--json").out)["stages"]
    } == {None}


def test_run_refuses_what_does_not_fit_before_it_loads_anything(adaptx, recipe, tmp_path) -> None:
    refused = adaptx("run", recipe, "--data", "sample", "--device", "cpu", "--gpu", "100MiB")
    assert refused.status == 2
    assert "predicted not to fit into 100.0 MiB of cpu" in refused.error
    assert "--micro-batch-tokens" in refused.error
    assert "--too-large" in refused.error
    assert not (tmp_path / "store" / "train").exists()


def test_damaged_stages_are_left_out_and_named(adaptx, recipe, data, tmp_path) -> None:
    store = stored(recipe, data, tmp_path)
    scores = next(file for file in sorted(store.root.rglob("scores.json")) if "nli.en" in file.parent.name)
    scores.write_bytes(scores.read_bytes()[:-1])
    weights = next(store.root.rglob("*lora*/module.safetensors"))
    weights.write_bytes(b"weighty")
    foreign = store.root / "train" / "copied-by-hand"
    foreign.mkdir()
    (foreign / "stage.json").write_text("{")
    planned = adaptx("plan", recipe, "--data", data)
    assert planned.status == 0
    for folder, cause in (
        (scores.parent, "scores.json has"),
        (weights.parent, "module.safetensors does not have the SHA-256"),
        (foreign, "complete is missing"),
    ):
        assert f"{folder.parent.name}/{folder.name} is damaged ({cause}" in planned.err
    assert "`adaptx run` with its recipe sets it aside and does it again" in planned.err
    as_json = adaptx("plan", recipe, "--data", data, "--json")
    again = [stage["name"] for stage in json.loads(as_json.out)["stages"] if not stage["stored"]]
    assert len(again) >= 2
    rows = tmp_path / "rows.csv"
    rows.write_text("premise,hypothesis\na,b\n")
    for command in (
        ("predict", weights.parent.name, rows),
        ("export", weights.parent.name, tmp_path / "out", "--to", "peft"),
    ):
        refused = adaptx(*command, "--data", data)
        assert refused.status == 2
        assert f"train/{weights.parent.name} is damaged (module.safetensors does not have" in refused.error
    pruned = adaptx("prune", recipe, "--data", data, "--yes")
    assert pruned.status == 0
    assert "train/copied-by-hand" in pruned.out
    assert not foreign.exists()


# --- tracking


@pytest.mark.parametrize("command", ["run", "report", "bench", "ui"])
def test_a_tracking_address_that_cannot_work_is_refused_before_any_work(adaptx, recipe, data, command) -> None:
    given = {"run": (recipe, "--data", data), "report": (recipe, "--data", data), "bench": ("e5-mini",), "ui": ()}
    ended = adaptx(command, *given[command], "--tracking", "htp://user:secret@host")
    assert ended.status == 2
    assert "begins with htp://, which MLflow does not know; write it as http://HOST:PORT" in ended.error
    assert "secret" not in ended.err


def test_a_password_is_not_even_in_tracebacks(adaptx, recipe, data, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:secret@127.0.0.1:1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("ADAPTX_DEBUG", "1")
    stored(recipe, data, tmp_path)
    ended = adaptx("--debug", "run", recipe, "--data", data, "--device", "cpu", "--keep")
    assert ended.status == 0
    assert "MLflow at http://127.0.0.1:1 could not record" in ended.out
    assert "Traceback" in ended.out
    assert "secret" not in ended.out + ended.err
    told = [file for file in (tmp_path / "store").rglob("*") if file.is_file() and b"secret" in file.read_bytes()]
    assert told == []


def test_a_servers_ui_is_its_own(adaptx) -> None:
    ended = adaptx("ui", "--tracking", "http://user:secret@host:5000")
    assert ended.status == 0
    assert ended.out.startswith("http://host:5000 is an MLflow server, which has its own UI")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("plan", "{recipe}", "--store", ""), "the value is empty (perhaps a shell variable that is not set)"),
        (("plan", "{recipe}", "--data", " "), "the value is empty"),
        (("run", "{recipe}", "--store", "{file}"), "is a file; name a folder"),
        (("report", "{recipe}", "--out", "{file}"), "is a file; name a folder"),
        (("report", "{recipe}", "--out", "{file}/out"), "which is a file; name another folder"),
        (("fetch", "{recipe}", "--to", ""), "the value is empty"),
        (("export", "stage", "{file}", "--to", "peft"), "is a file; name a folder"),
        (("export", "stage", "{link}", "--to", "peft"), "which does not exist"),
        (("predict", "stage", "rows.csv", "--out", "{file}/rows.jsonl"), "there is no folder"),
        (("predict", "stage", "rows.csv", "--out", "{here}"), "is a folder; name a file in it"),
    ],
)
def test_paths_are_looked_at_before_any_work(adaptx, recipe, tmp_path, words, said: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    places = {"recipe": recipe, "file": tmp_path / "file", "link": tmp_path / "link", "here": tmp_path}
    ended = adaptx(*(word.format(**places) for word in words))
    assert ended.status == 2
    assert said in " ".join(ended.err.replace("│", " ").split())


def test_a_home_folder_after_an_equals_sign_is_the_users(adaptx, recipe, data, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert adaptx("plan", recipe, f"--data=~/{data.name}", "--store=~/mine").status == 0
    ended = adaptx("report", recipe, f"--data=~/{data.name}", "--store=~/mine", "--out=~/out")
    assert f"is stored in {tmp_path}/mine" in ended.error
