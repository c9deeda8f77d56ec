"""The front door: a study opened in Python runs, scores, reports and loads what the command line does."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
import torch
from support import tiny

import adaptx
from adaptx.display.notebook import Notebook, notebook_display
from adaptx.display.progress import here
from adaptx.errors import StagesFailed, UserError
from adaptx.specs import Evaluate, Full, Ia3, Lora, Merge, NoHead, Recipe, Sequential, TaskArithmetic, Train
from adaptx.store.live_runs import no_run_begins
from adaptx.training.progress import Silent

ROOT = Path(__file__).parents[1]


class Quiet(Silent):
    """Watches a run and keeps its notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def close(self) -> None:
        pass


def trainings(world: tiny.World) -> tuple[Any, Any]:
    """A baseline and a training that continues another task's."""
    first = tiny.train(world.bert, tiny.TOPIC, Lora(4, 8))
    return tiny.train(world.bert, tiny.NLI, Lora(4, 8)), tiny.train(
        world.bert, tiny.NLI, Lora(4, 8), start=Sequential(first)
    )


@pytest.fixture(scope="module")
def run_study(world: tiny.World, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """(study, baseline, transfer), with every stage stored."""
    baseline, transfer = trainings(world)
    recipe = Recipe("door", (*tiny.everywhere(baseline), *tiny.everywhere(transfer)))
    study = adaptx.open(recipe, store=tmp_path_factory.mktemp("door"), data=world.folder)
    study.run(device="cpu", progress=Quiet())
    return study, baseline, transfer


def test_importing_adaptx_loads_nothing_heavy() -> None:
    code = (
        "import sys, json, adaptx\n"
        "names = {name.partition('.')[0] for name in sys.modules}\n"
        "ours = sum(name.partition('.')[0] == 'adaptx' for name in sys.modules)\n"
        "print(json.dumps([sorted(names), len(sys.modules), ours]))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ})
    names, modules, ours = json.loads(ended.stdout)
    heavy = {"torch", "transformers", "peft", "pandas", "numpy", "mlflow", "datasets", "pyarrow", "typer", "rich"}
    assert not heavy & set(names)
    assert modules < 250, "the standard library's part and the specs"
    # What it takes in seconds is benchmarks/planning.py's to measure: machines differ by a factor of two.
    assert ours < 75


def test_star_import_leaves_the_builtin_open_alone() -> None:
    names: dict[str, Any] = {}
    exec("from adaptx import *", names)
    assert "open" not in names
    assert {"Train", "Recipe"} <= set(names)
    assert {"open", "task"} <= set(dir(adaptx))
    with pytest.raises(AttributeError, match="no attribute 'opne'"):
        _ = adaptx.opne


def test_the_plan_is_a_short_table(world: tiny.World, tmp_path: Path) -> None:
    baseline, _ = trainings(world)
    study = adaptx.open(Recipe("door", tiny.everywhere(baseline)), store=tmp_path, data=world.folder)
    lines = repr(study.plan).splitlines()
    assert lines[0] == "door: 3 stages"
    (line,) = lines[2:-1]
    assert "nli xa, " in line
    assert "to do" in line
    assert len(study.plan.all.lines) == 2
    assert lines[-1].startswith("to do: 1 trainings, 2 evaluations")
    parser = Counting()
    parser.feed(study.plan._repr_html_())
    assert parser.counts["tr"] == 2
    assert parser.open == []
    assert repr(study).startswith("<Study of door: 3 stages")


class Counting(HTMLParser):
    """Counts elements, and holds those that are open."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: dict[str, int] = {}
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.counts[tag] = self.counts.get(tag, 0) + 1
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_a_long_plan_is_cut_short(world: tiny.World, tmp_path: Path) -> None:
    stages = [
        Evaluate(tiny.train(world.bert, tiny.NLI, Lora(4, 8), setting=tiny.config(seed=seed)), tiny.NLI, "xa")
        for seed in range(1, 41)
    ]
    table = adaptx.open(Recipe("long", tuple(stages)), store=tmp_path, data=world.folder).plan
    assert len(table.lines) == 1
    assert "1-40" in repr(table)
    assert len(repr(table.all).splitlines()) < 70
    assert "and 20 more lines, in study.plan.all.lines" in repr(table.all)
    assert len(table.all.lines) == 80


def test_scores_have_a_row_per_variant_task_language_seed_and_metric(run_study: Any) -> None:
    study, _, _ = run_study
    scores = study.scores()
    assert isinstance(scores, pd.DataFrame)
    assert len(scores) == 4
    assert not scores.duplicated(["variant", "task", "language", "seed", "metric"]).any()
    assert scores.value.between(0, 1).all()
    assert scores.attrs["missing"] == []


def test_gains_have_intervals_and_p_values(run_study: Any) -> None:
    study, _, _ = run_study
    gains = study.gains()
    compared = gains[~gains.is_baseline]
    assert set(compared.quantity) >= {"zero-shot average", "xa"}
    assert compared.variant.str.contains("Sequential").all()
    alike = compared.note.str.contains("no interval: variant and baseline differ by the same amount on every row")
    tested = compared[~alike]
    assert (compared[alike].p.isna() & compared[alike].low.isna()).all()
    assert ((tested.low <= tested.gain) & (tested.gain <= tested.high) & (tested.p > 0) & (tested.p <= 1)).all()


def test_the_report_is_the_command_lines(run_study: Any, tmp_path: Path) -> None:
    study, _, _ = run_study
    report = study.report(tmp_path / "report")
    assert (tmp_path / "report" / "report.html").is_file()
    pd.testing.assert_frame_equal(report.table, study.scores())
    assert repr(report) == f"<Report {tmp_path / 'report' / 'report.html'}>"


def test_running_again_does_nothing(run_study: Any) -> None:
    study, _, _ = run_study
    summary = study.run(device="cpu", progress=Quiet())
    assert repr(summary) == "<Summary: 0 stages run, none failed>"
    assert repr(study.plan).splitlines()[-1].startswith("all stored")


def test_a_recipe_file_and_its_settings(tmp_path: Path) -> None:
    file = tmp_path / "recipe.py"
    file.write_text(
        "from adaptx import *\nfrom adaptx.catalog import E5_MINI, NLI\n"
        "def build(seed: int = 1, model: ModelSpec = E5_MINI) -> Recipe:\n"
        "    config = TrainConfig(learning_rate=1e-3, epochs=1, seed=seed)\n"
        "    return Recipe('r', (Evaluate(Train(model, NLI, Lora(), config), NLI, 'en'),))\n"
    )
    one = adaptx.open(file, store=tmp_path / "store", data="sample", settings={"seed": "3"})
    same = adaptx.open(str(file), store=tmp_path / "store", data="sample", settings={"seed": 3})
    assert [node.fingerprint for node in one.dag.nodes] == [node.fingerprint for node in same.dag.nodes]
    assert one.recipe.evaluations[0].model.config.seed == 3
    with pytest.raises(UserError, match="has no option 'sead'; near: seed"):
        adaptx.open(file, store=tmp_path / "store", data="sample", settings={"sead": 1})
    with pytest.raises(UserError, match="arguments of a file's build"):
        adaptx.open(one.recipe, store=tmp_path / "store", data="sample", settings={"seed": 1})
    with pytest.raises(UserError, match="choose one of fp32, bf16"):
        adaptx.open(one.recipe, store=tmp_path / "store", data="sample", precision="fp8")


def test_what_failed_is_raised_with_its_cause(world: tiny.World, tmp_path: Path, monkeypatch: Any) -> None:
    from adaptx.execution import execute

    def fail(_node: Any) -> None:
        raise RuntimeError("no luck")

    monkeypatch.setitem(execute.EXECUTE, Train, lambda *_: contextlib.nullcontext(fail))
    baseline, _ = trainings(world)
    study = adaptx.open(Recipe("door", tiny.everywhere(baseline)), store=tmp_path, data=world.folder)
    with pytest.raises(
        StagesFailed, match=r"3 stages failed or were skipped:\n  bert\.nli\.lora-r4: RuntimeError: no luck"
    ):
        study.run(device="cpu", progress=Quiet())


def test_a_damaged_stage_is_told(world: tiny.World, tmp_path: Path, capsys: Any) -> None:
    baseline, _ = trainings(world)
    study = adaptx.open(Recipe("door", tiny.everywhere(baseline)), store=tmp_path, data=world.folder)
    study.run(device="cpu", progress=Quiet())
    next((tmp_path / "evaluate").glob("*/scores.json")).write_text("{}")
    assert len(study.scores()) == 1
    assert "scores.json" in capsys.readouterr().err


class Interrupting(Quiet):
    """Interrupts as a notebook does, by a signal, at a training's second step."""

    def advance(self, done: int, loss: float | None = None, examples_per_second: float | None = None) -> None:
        if loss is not None and done == 2:
            signal.raise_signal(signal.SIGINT)


def test_an_interrupted_run_keeps_its_state_and_goes_on(world: tiny.World, tmp_path: Path, run_study: Any) -> None:
    finished, baseline, _ = run_study
    study = adaptx.open(Recipe("door", tiny.everywhere(baseline)), store=tmp_path, data=world.folder)
    with pytest.raises(KeyboardInterrupt):
        study.run(device="cpu", progress=Interrupting())
    assert list((tmp_path / "working").glob("*/*")), "the saved state"
    with no_run_begins(tmp_path) as live:
        assert live == [], "no lock is left behind"
    assert "to do: 1 trainings" in repr(study.plan)
    notes = Quiet()
    study.run(device="cpu", progress=notes)
    assert any("continu" in note or "resum" in note for note in notes.notes), notes.notes
    pd.testing.assert_series_equal(
        study.scores().value, finished.scores().query("start == 'Pretrained'").value.reset_index(drop=True)
    )


def test_a_loaded_model_predicts_texts_pairs_dicts_frames_and_datasets(run_study: Any, world: tiny.World) -> None:
    datasets = pytest.importorskip("datasets")
    study, _, transfer = run_study
    model = study.load(transfer)
    frame = pd.read_parquet(world.folder / "tiny/nli/xa/test.parquet").drop(columns="label").iloc[:6]
    frame.index = list("abcdef")
    predicted = model.predict(frame)
    assert list(predicted.index) == list("abcdef")
    assert set(predicted.prediction) <= set(tiny.LABELS)
    dicts = frame.to_dict("records")
    pairs = list(frame.itertuples(index=False, name=None))
    for rows in (dicts, pairs, datasets.Dataset.from_list(dicts)):
        assert list(model.predict(rows).prediction) == list(predicted.prediction)
    stored = study.store.find(study.dag.fingerprint_of(Evaluate(transfer, tiny.NLI, "xa")))
    assert list(predicted.prediction) == stored.scores.predictions[:6]
    assert set(model.heads) == {"nli"}
    assert "topic>nli" in repr(model)
    with pytest.raises(UserError, match="has no column 'hypothesis'"):
        model.predict(["only one text"])
    said = r"row 1: 3 \(int\) is not a row; give a list of dicts, texts, or tuples of text, pair"
    with pytest.raises(UserError, match=said):
        model.predict([("a", "b"), 3])


def test_a_loaded_model_is_named_by_its_stage_an_evaluation_or_its_folder(run_study: Any, world: tiny.World) -> None:
    study, baseline, _ = run_study
    folder = study.store.find(study.dag.fingerprint_of(baseline)).folder.name
    for named in (baseline, Evaluate(baseline, tiny.NLI, "xa"), folder):
        assert repr(study.load(named, device="cpu")) == f"<LoadedModel {folder}: nli on cpu>"
    with pytest.raises(UserError, match=r"not stored in .*; it is not part of this study"):
        study.load(tiny.train(world.bert, tiny.NLI, Full()))
    with pytest.raises(UserError, match="bare checkpoint"):
        study.load(Evaluate(world.bert, tiny.NLI, "xa"))


def test_a_study_with_a_limit_loads_stages_as_the_recipe_has_them(world: tiny.World, tmp_path: Path) -> None:
    _, transfer = trainings(world)
    recipe = Recipe("door", tiny.everywhere(transfer))
    study = adaptx.open(recipe, store=tmp_path, data=world.folder, limit=20)
    study.run(device="cpu", progress=Quiet())
    assert study.load(transfer).stage.limit == 20


def inputs(model: Any) -> Any:
    return model.tokenizer(["bae dof", "fik gol lud"], return_tensors="pt", padding=True)


@torch.no_grad()
def test_a_peft_model_in_memory_gives_the_same_outputs(run_study: Any) -> None:
    study, _, transfer = run_study
    model = study.load(transfer)
    peft_model = model.to_peft()
    ours = model.network(**inputs(model)).last_hidden_state
    assert type(peft_model).__module__.startswith("peft")
    assert torch.equal(peft_model(**inputs(model)).last_hidden_state, ours)
    with peft_model.disable_adapter():
        assert not torch.equal(peft_model(**inputs(model)).last_hidden_state, ours)
    assert torch.equal(model.network(**inputs(model)).last_hidden_state, ours), "the loaded model is left as it was"


def test_ia3_is_a_peft_model_in_memory(world: tiny.World, tmp_path: Path) -> None:
    scaled = tiny.train(world.bert, tiny.NLI, Ia3())
    study = adaptx.open(Recipe("door", tiny.everywhere(scaled)), store=tmp_path, data=world.folder)
    study.run(device="cpu", progress=Quiet(), keep=True)
    model = study.load(scaled)
    peft_model = model.to_peft()
    assert peft_model.peft_config["default"].peft_type == "IA3"
    with torch.no_grad():
        ours = model.network(**inputs(model)).last_hidden_state
        assert torch.allclose(peft_model(**inputs(model)).last_hidden_state, ours, atol=1e-6)
        with peft_model.disable_adapter():
            assert not torch.equal(peft_model(**inputs(model)).last_hidden_state, ours)


def test_what_peft_cannot_hold_is_refused(world: tiny.World, tmp_path: Path) -> None:
    full = tiny.train(world.bert, tiny.NLI, Full())
    over = tiny.train(world.bert, tiny.NLI, Lora(4, 8), start=Sequential(full))
    recipe = Recipe("door", (*tiny.everywhere(full), *tiny.everywhere(over)))
    study = adaptx.open(recipe, store=tmp_path, data=world.folder)
    study.run(device="cpu", progress=Quiet(), keep=True)
    with pytest.raises(UserError, match="cannot become a peft model: full fine-tuning changes all weights"):
        study.load(full).to_peft()
    with pytest.raises(UserError, match="cannot become a peft model: it was trained on top of a full fine-tuning"):
        study.load(over).to_peft()


def test_a_merge_is_loaded_for_its_network(world: tiny.World, tmp_path: Path) -> None:
    first, second = (tiny.train(world.bert, tiny.NLI, Lora(4, 8), setting=tiny.config(seed=seed)) for seed in (1, 2))
    merge = Merge((first, second), TaskArithmetic(), NoHead())
    study = adaptx.open(
        Recipe("door", (Evaluate(merge, tiny.TATOEBA, "xa"),)), store=tmp_path, data=world.folder
    )  # fmt: skip
    study.run(device="cpu", progress=Quiet())
    model = study.load(merge)
    assert model.heads == {}
    with torch.no_grad():
        ours = model.network(**inputs(model)).last_hidden_state
        assert torch.allclose(model.to_peft()(**inputs(model)).last_hidden_state, ours, atol=1e-5)
    with pytest.raises(UserError, match="merged without a head"):
        model.predict([("a", "b")])


class Shown:
    """A front end as IPython's `display` reaches it: keeps what was drawn."""

    def __init__(self) -> None:
        self.drawn: list[str] = []

    def __call__(self, board: Any, display_id: bool) -> "Shown":
        self.update(board)
        return self

    def update(self, board: Any) -> None:
        self.drawn.append(board._repr_html_())


def test_progress_in_a_notebook_is_a_table_that_is_drawn_again() -> None:
    front = Shown()
    watcher = Notebook(front)
    watcher.note("read <this>")
    watcher.start("a.b", 10, "step")
    beside = watcher.beside()
    beside.start("c.d", 4, "sequence")
    watcher.advance(10, 0.5, 12.0)
    beside.advance(4)
    watcher.end()
    beside.end()
    beside.overall("stage 2 of 9, about <1 min left")
    watcher.note("told")
    assert "<b>stage 2 of 9, about &lt;1 min left</b>" in front.drawn[-1]
    watcher.close()
    last = front.drawn[-1]
    assert "stage 2 of 9" not in last
    assert "read &lt;this&gt;" in last
    assert '<progress value="10" max="10">' in last
    assert "10/10 steps" in last
    assert "loss 0.500, 12 examples/s" in last
    assert "4/4 sequences" in last
    parser = Counting()
    parser.feed(last)
    assert parser.open == []
    assert len(front.drawn) < 6, "not at every step"


def test_a_notebook_is_told_from_a_terminal(monkeypatch: Any) -> None:
    assert notebook_display() is None
    shown = Shown()
    kernel = SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=object()))
    monkeypatch.setitem(sys.modules, "IPython", kernel)
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=shown))
    assert isinstance(here(), Notebook)
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=None)))
    assert not isinstance(here(), Notebook)
