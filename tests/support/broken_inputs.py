"""Broken inputs, made by rules: data files, model folders, modules, recipes and command lines that must be refused.

Each case is a command line over its own files. `says` are texts that the message must contain: the value, the file or
the field that is wrong.
"""

import itertools
import json
import shutil
import struct
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import typer
from safetensors.numpy import save_file

from adaptx.cli import app as cli
from support import tiny

Write = Callable[[Path], None]
"""A function that writes a case's files into its folder."""


@dataclass(frozen=True)
class Broken:
    """A command line that must be refused. `{here}` stands for the case's folder, `{world}` for the tiny world's."""

    name: str
    command: tuple[str, ...]
    says: tuple[str, ...]
    write: Write = field(default=lambda folder: None)


def text(name: str, content: str | bytes) -> Write:
    def write(folder: Path) -> None:
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))

    return write


def both(*writes: Write) -> Write:
    def write(folder: Path) -> None:
        for each in writes:
            each(folder)

    return write


# Recipes and specs, refused when planning.

HEADER = """\
import dataclasses
from adaptx import *
from adaptx.catalog import E5_MINI, NLI, SNLI, TATOEBA
CONFIG = TrainConfig(1e-3, max_steps=1)
TRAIN = Train(E5_MINI, SNLI, Lora(), CONFIG)
GOOD = Recipe("good", (Evaluate(E5_MINI, TATOEBA, "es"),))
"""
LAST_LINE = HEADER.count("\n") + 1


def planned(name: str, body: str, *says: str, options: tuple[str, ...] = (), beside: Write | None = None) -> Broken:
    write = text("recipe.py", HEADER + body + "\n")
    write = both(write, beside) if beside else write
    return Broken(name, ("plan", "{here}/recipe.py", "--data", "sample", *options), says, write)


SPEC_FIELDS: dict[str, dict[str, tuple[str, ...]]] = {
    "Lora()": {
        "rank": ("1.5", "0", "-3", "'8'", "None", "True"),
        "alpha": ("0", "-1", "float('nan')", "'16'"),
        "dropout": ("1", "1.5", "-0.1", "None"),
        "sites": ("()", "'query'", "('quer',)", "('query', 'query')", "{'query'}", "None", "3"),
        "bias": ("'yes'", "1", "None"),
        "ranks": ("(('down', 4),)", "(('query', 0),)", "('query', 4)", "{'query': 4}"),
    },
    "Bottleneck()": {"reduction_factor": ("0", "-2", "'16'"), "activation": ("'rely'", "None", "3")},
    "CONFIG": {
        "learning_rate": ("0", "-1e-3", "'1e-3'", "None", "float('inf')", "float('nan')"),
        "epochs": ("0", "-1", "'3'", "2"),
        "max_steps": ("0", "1.5", "'10'", "-5"),
        "batch_size": ("0", "2.5", "'8'", "None"),
        "seed": ("-1", "0.5", "'one'", "2**70"),
        "precision": ("'fp16'", "'fp8'", "16", "None"),
        "schedule": ("'linear'", "'LINEAR'", "Schedule", "None", "1"),
        "warmup": ("-0.1", "1.1", "100", "'10%'"),
        "weight_decay": ("-1", "'0.01'"),
        "betas": ("0.9", "(0.9,)", "(0.9, 1)", "(0.9, 0.99, 0.999)", "'0.9, 0.999'"),
        "epsilon": ("0", "-1e-8"),
        "max_gradient_norm": ("0", "-1"),
        "dropout": ("1", "-1", "'none'"),
        "max_length": ("0", "-1", "12.5", "'128'"),
        "selection": ("'best'", "'last'", "Best", "None", "5"),
    },
    "Best(5)": {"every": ("0", "1.5", "'5'"), "patience": ("0", "'never'")},
    "TRAIN": {
        "model": ("'e5-mini'", "None", "ModelSpec", "TRAIN"),
        "task": ("'snli'", "None", "SNLI.train", "Task"),
        "method": ("'lora'", "Lora", "None", "8"),
        "config": ("None", "{}", "TrainConfig", "'default'"),
        "start": ("'pretrained'", "TRAIN", "None", "Sequential"),
        "head": ("'new'", "KeptHead", "None"),
        "framing": ("'mean'", "Pooling.MEAN", "(Hidden(), Hidden())", "5"),
        "limit": ("7.5", "0", "-1", "'all'"),
        "keep": ("'yes'", "1"),
    },
    "Evaluate(E5_MINI, TATOEBA, 'es')": {
        "model": ("'e5-mini'", "None", "ModelSpec"),
        "task": ("'tatoeba'", "None", "Mixture((SNLI, NLI))"),
        "language": ("'xx'", "''", "None", "('es',)", "'ES'"),
        "precision": ("'fp16'", "32"),
        "framing": ("'mean'", "Hidden"),
        "limit": ("0", "2.5", "'10'"),
    },
    "GOOD": {
        "name": ("''", "None", "'a/b'", "3"),
        "evaluations": ("()", "(TRAIN,)", "TRAIN", "None", "(GOOD,)", "'all'", "{TRAIN}", "(TATOEBA,)"),
        "notes": ("'one note'", "(1,)"),
        "suites": ("'xtreme'", "(TATOEBA,)"),
    },
    "Hidden()": {"layer": ("-1", "1.5", "'last'"), "pooling": ("'mean'", "'MEAN'", "None"), "prefix": ("None", "3")},
    "SNLI.train[0]": {
        "language": ("''", "'pt/br'", "None"),
        "columns": ("()", "{'text': 't'}", "'text'", "(('text',),)"),
        "first": ("-1", "'0'"),
        "stop": ("0", "-5"),
        "starts_with": ("'x'", "('a', 'b', 'c')"),
    },
    "SNLI": {
        "name": ("''", "'a/b'", "'../x'", "None"),
        "format": ("'classification'", "Classification", "None"),
        "train": ("SNLI", "SNLI.train[0]", "None"),
        "metrics": ("()", "'accuracy'", "(None,)"),
    },
    "Classification(('a', 'b'))": {"labels": ("()", "('a',)", "('a', 'a')", "'ab'", "None", "('a', '')", "{'a', 'b'}")},
    "Temperature(2.0)": {"temperature": ("0", "-1", "'hot'")},
    "Fuse((TRAIN, dataclasses.replace(TRAIN, limit=5)))": {
        "stages": ("(TRAIN, TRAIN)", "(TRAIN,)", "()", "TRAIN", "(TRAIN, E5_MINI)"),
        "mixing": ("'attention'", "Gate", "None"),
    },
    "Linear((0.5, 0.5))": {"weights": ("'equal'", "(0, 0)", "0.5", "(0.5, 'half')", "(float('nan'), 1)")},
    "Ties()": {"density": ("0", "1.5", "'20%'"), "scale": ("0", "'1'")},
    "Text(Prompt('{text}'))": {"prompt": ("'{text}'", "None"), "decision": ("'rank'", "Rank"), "answer_tokens": ("1",)},
    "Prompt('{text}')": {
        "template": ("''", "'no role'", "'{text!r}'", "'{text'", "None"),
        "answers": ("(('a', 'x'), ('b', 'x'))", "{'a': 'x'}", "(('a', ''),)"),
    },
}  # fmt: skip
"""Valid spec -> field -> expressions that the field must refuse."""


def spec_cases() -> Iterator[Broken]:
    for spec, fields in SPEC_FIELDS.items():
        for name, values in fields.items():
            for value in values:
                body = f"def build():\n    dataclasses.replace({spec}, {name}={value})\n    return GOOD"
                asked = spec.startswith("Evaluate") and value in ("'xx'", "''", "'ES'")
                said = "evaluation rows in" if asked else name.rstrip("s")
                yield planned(f"{spec}: {name}={value}", body, "recipe.py, line", said)


RECIPES: dict[str, tuple[str, tuple[str, ...]]] = {
    "no build": ("x = 1", ("no build()", "add a function `def build()")),
    "build is a number": ("build = 3", ("no build()", "3")),
    "build is a recipe": ("build = GOOD", ("no build()", "Recipe")),
    "build is a class": ("build = Recipe", ("no build()", "Recipe")),
    "returns nothing": ("def build():\n    GOOD", ("returned nothing",)),
    "returns a list": ("def build():\n    return [*GOOD.evaluations]", ("a list", "Recipe('name', tuple(")),
    "returns a tuple": ("def build():\n    return GOOD.evaluations", ("a tuple", "Recipe('name', tuple(")),
    "returns an evaluation": ("def build():\n    return GOOD.evaluations[0]", ("a Evaluate", "Recipe('name'")),
    "returns a number": ("def build():\n    return 3", ("a int", "return Recipe")),
    "returns the class": ("def build():\n    return Recipe", ("a type", "return Recipe")),
    "async": ("async def build():\n    return GOOD", ("is async",)),
    "generator": ("def build():\n    yield GOOD", ("yields",)),
    "async generator": ("async def build():\n    yield GOOD", ("yields",)),
    "raises": ("def build():\n    raise RuntimeError('no luck')", ("line 8", "RuntimeError: no luck")),
    "key error": ("def build():\n    return {}['key']", ("line 8", "KeyError: 'key'")),
    "recursion": ("def build():\n    return build()", ("RecursionError", "line 8")),
    "assert": ("def build():\n    assert 1 == 2, 'unlike'", ("AssertionError: unlike",)),
    "exits with 0": ("def build():\n    raise SystemExit(0)", ("sys.exit(0)", "line 8")),
    "exits on import": ("import sys\nsys.exit()", ("sys.exit(None)",)),
    "exits with a text": ("import sys\ndef build():\n    sys.exit('stop')", ("sys.exit('stop')",)),
    "syntax": ("def build(:", ("line 7", "SyntaxError")),
    "indentation": ("def build():\nreturn GOOD", ("line 8", "IndentationError")),
    "null bytes": ("x = '\0'", ("null bytes",)),
    "an open bracket": ("GOOD = (", ("SyntaxError",)),
    "missing module": ("import nothing_of_that_name", ("nothing_of_that_name", "pip")),
    "relative import": ("from . import helper", ("ImportError", "import name")),
    "a name that is not there": ("from adaptx import Loraa", ("Loraa",)),
    "division by zero": ("x = 1 / 0", ("ZeroDivisionError", "line 7")),
    "a model that is not known": ("from adaptx.catalog import find_model\nfind_model('e5-mimi')", ("e5-mimi", "near")),
    "a task that is not known": ("from adaptx.catalog import find_task\nfind_task('snlu')", ("snlu", "near")),
    "an unknown type": ("def build(model: 'Modell'):\n    return GOOD", ("Modell",)),
    "positional only": ("def build(seed, /):\n    return GOOD", ("seed", "slash")),
    "an option without value": ("def build(steps):\n    return GOOD", ("--set steps=VALUE",)),
    "a model without value": ("def build(model):\n    return GOOD", ("--model NAME",)),
    "a training in place of an evaluation": (
        "def build():\n    return Recipe('r', (TRAIN,))", ("evaluations[0]", "Evaluate(stage, task, language)")),
    "an unknown field": ("def build():\n    return Lora(rnk=8)", ("'rnk'", "near: rank")),
    "a missing field": ("def build():\n    return Train(E5_MINI, SNLI)", ("needs method, config",)),
    "too many values": ("def build():\n    return Best(1, 2, 3)", ("Best", "3 values")),
    "no development rows": (
        "def build():\n    t = dataclasses.replace(SNLI, development=())\n    c = dataclasses.replace(CONFIG, "
        "selection=Best(1))\n    return Recipe('r', (Evaluate(Train(E5_MINI, t, Lora(), c), SNLI, 'en'),))",
        ("snli", "development rows", "Last()")),
    "Best without development rows": (
        "def build():\n    t = dataclasses.replace(NLI, development=(), train=SNLI.train)\n    c = dataclasses.replace("
        "CONFIG, selection=Best(1))\n    return Recipe('r', (Evaluate(Train(E5_MINI, t, Lora(), c), NLI, 'id'),))",
        ("Best", "development rows", "Last()")),
    "a head that is not there": (
        "def build():\n    return Recipe('r', (Evaluate(E5_MINI, NLI, 'id'),))", ("no head", "nli", "train one")),
    "an unknown metric": (
        "def build():\n    t = dataclasses.replace(TATOEBA, metrics=('acuracy',))\n    return Recipe('r', "
        "(Evaluate(E5_MINI, t, 'es'),))", ("acuracy", "near: accuracy")),
}  # fmt: skip


def recipe_cases() -> Iterator[Broken]:
    for name, (body, says) in RECIPES.items():
        yield planned(name, body, *says)
    taking = (
        "import enum\nfrom typing import Literal\nclass Kind(enum.Enum):\n    ONE = 1\n"
        "def build(steps: int = 1, rate: float = 0.1, fast: bool = False, seeds: tuple[int, ...] = (1,), plain=3,\n"
        "          size: Literal['small', 'full'] = 'full', kind: Kind = Kind.ONE, found: dict = {}, any=None,\n"
        "          task: Task = SNLI, method: Method = Lora(), model=E5_MINI):\n    return GOOD"
    )
    wrong = {
        "steps": ("many", "1.5", ""), "rate": ("fast", "nan", "inf", "1,5"), "fast": ("maybe", "2"),
        "seeds": ("1,x", "1,,2", "1.5"), "plain": ("x", "2.5"), "size": ("tiny", "Small"), "kind": ("two",),
        "found": ("{}",), "any": ("3",), "task": ("snlu",), "method": ("loraa",), "model": ("e5-mimi",),
        "stepz": ("3",), "": ("3",), "args": ("1",),
    }  # fmt: skip
    for key, values in wrong.items():
        for value in values:
            shown = key or "--set"
            yield planned(f"--set {key}={value}", taking, shown, options=("--set", f"{key}={value}"))
    yield planned("--set without =", taking, "--set steps", "KEY=VALUE", options=("--set", "steps"))
    yield planned("two values", taking, "steps", "once", options=("--set", "steps=1", "--set", "steps=2"))
    yield planned("two models", taking, "model", "once", options=("--set", "model=e5-small", "--model", "mbert"))
    yield Broken("no such recipe", ("plan", "{here}/recip.py"), ("recip.py", "near"), text("recipe.py", ""))
    yield Broken("a folder as recipe", ("plan", "{here}"), ("folder",))
    yield Broken("not a Python file", ("plan", "{here}/recipe.txt"), ("recipe.txt", ".py"), text("recipe.txt", "x = 1"))
    yield Broken("an empty recipe", ("plan", "{here}/recipe.py"), ("no build()",), text("recipe.py", ""))
    yield Broken("binary", ("plan", "{here}/recipe.py"), ("recipe.py",), text("recipe.py", bytes(range(256))))
    utf16 = text("recipe.py", "x = 1".encode("utf-16"))
    yield Broken("utf-16 recipe", ("plan", "{here}/recipe.py"), ("recipe.py",), utf16)
    for name, body in {"syntax": "x = (", "failing": "1 / 0", "exits": "raise SystemExit(3)"}.items():
        yield planned(f"a neighbour: {name}", "import helper", "recipe.py", beside=text("helper.py", body))
    yield planned("a neighbour lacks a name", "from helper import y", "'y'", beside=text("helper.py", "x = 1"))


# Data files, refused by a run: they are read and checked before anything is loaded.

KINDS = {
    "classification": ("Classification(('sport', 'politics'))", ("text", "label")),
    "pairs": ("Classification(('sport', 'politics'))", ("text", "pair", "label")),
    "choice": ("MultipleChoice()", ("text", "choices", "label")),
    "tagging": ("Tagging(('O', 'B-PER', 'I-PER'))", ("tokens", "tags")),
    "answers": ("QuestionAnswering()", ("question", "context", "answers", "answer_starts")),
    "bitext": ("Bitext()", ("query", "candidate")),
}
ROWS = {
    "classification": [{"text": f"a text {n}", "label": ("sport", "politics")[n % 2]} for n in range(6)],
    "pairs": [{"text": f"a {n}", "pair": f"b {n}", "label": ("sport", "politics")[n % 2]} for n in range(6)],
    "choice": [{"text": f"a {n}", "choices": ["x", "y"], "label": n % 2} for n in range(6)],
    "tagging": [{"tokens": ["Ann", "runs"], "tags": ["B-PER", "O"]} for _ in range(6)],
    "answers": [
        {"question": f"who {n}", "context": "Ann runs", "answers": ["Ann"], "answer_starts": [0]} for n in range(6)
    ],
    "bitext": [{"query": f"a {n}", "candidate": f"b {n}"} for n in range(6)],
}
DATA_RECIPE = """\
from adaptx import *
from adaptx.catalog import E5_MINI, local_task
FILE = {{"en": {file!r}}}
TASK = local_task("mine", {format}, train={train}, evaluation=FILE)
def build():
    model = E5_MINI if {train} is None else Train(E5_MINI, TASK, Lora(), TrainConfig(1e-3, max_steps=1))
    return Recipe("data", (Evaluate(model, TASK, "en"),))
"""
SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")


def as_file(rows: list[dict[str, object]], suffix: str) -> bytes:
    """Return rows as the bytes of a file. Lists are JSON in formats whose cells hold one text."""
    if suffix == ".jsonl":
        return "".join(json.dumps(row) + "\n" for row in rows).encode()
    if suffix == ".parquet":
        sink = pa.BufferOutputStream()
        pq.write_table(pa.Table.from_pylist(rows), sink)
        return sink.getvalue().to_pybytes()
    mark = "," if suffix == ".csv" else "\t"
    cells = [[json.dumps(v) if isinstance(v, list) else str(v) for v in row.values()] for row in rows]
    quoted = [['"' + cell.replace('"', '""') + '"' for cell in line] for line in cells]
    return "\n".join(mark.join(line) for line in [[*rows[0]], *quoted]).encode()


def data_case(name: str, kind: str, file: str, content: bytes | None, *says: str) -> Broken:
    train = "None" if kind == "bitext" else "FILE"

    def write(folder: Path) -> None:
        recipe = DATA_RECIPE.format(file=str(folder / file), format=KINDS[kind][0], train=train)
        (folder / "recipe.py").write_text(recipe)
        if content is not None:
            (folder / file).write_bytes(content)

    command = ("run", "{here}/recipe.py", "--data", "sample", "--device", "cpu")
    return Broken(f"{kind}{Path(file).suffix}: {name}", command, (Path(file).name, *says), write)


def row_faults(kind: str) -> dict[str, tuple[Callable[[list[dict[str, object]]], object], str]]:
    """Return name -> (a change of the rows, the texts that the message must contain)."""
    faults: dict[str, tuple[Callable[[list[dict[str, object]]], object], str]] = {
        f"no column {role}": (lambda rows, role=role: [row.pop(role) for row in rows], role)
        for role in KINDS[kind][1]
        if role not in ("pair",)
    }
    if kind in ("classification", "pairs"):
        faults |= {
            "an unknown label": (lambda rows: rows[3].update(label="sprt"), "sprt"),
            "an empty label": (lambda rows: rows[3].update(label=""), "label"),
            "a label's other spelling": (lambda rows: rows[3].update(label="Sport"), "Sport"),
        }
    if kind == "choice":
        faults |= {
            "a label beyond the choices": (lambda rows: rows[3].update(label=2), "2"),
            "a negative label": (lambda rows: rows[3].update(label=-1), "-1"),
            "one choice": (lambda rows: rows[3].update(choices=["x"], label=0), "choice"),
        }
    if kind == "tagging":
        faults |= {
            "fewer tags": (lambda rows: rows[3].update(tags=["O"]), "tag"),
            "an unknown tag": (lambda rows: rows[3].update(tags=["B-PRE", "O"]), "B-PRE"),
            "no tokens": (lambda rows: rows[3].update(tokens=[], tags=[]), "it has no tokens"),
        }
    if kind == "answers":
        faults |= {
            "a start beyond the context": (lambda rows: rows[3].update(answer_starts=[99]), "99"),
            "another text there": (lambda rows: rows[3].update(answers=["Bob"]), "Bob"),
            "no answers": (lambda rows: rows[3].update(answers=[], answer_starts=[]), "answer"),
            "more starts": (lambda rows: rows[3].update(answer_starts=[0, 0]), "start"),
        }
    return faults


def data_cases() -> Iterator[Broken]:
    for kind, suffix in itertools.product(KINDS, SUFFIXES):
        if kind == "tagging" and suffix in (".csv", ".tsv"):
            # Files in columns instead of tables follow below.
            continue
        for name, (change, said) in row_faults(kind).items():
            rows = [dict(row) for row in ROWS[kind]]
            change(rows)
            yield data_case(name, kind, f"mine{suffix}", as_file(rows, suffix), said)
        yield data_case("no rows", kind, f"mine{suffix}", as_file(ROWS[kind], suffix).split(b"\n")[0]
                        if suffix in (".csv", ".tsv") else b"")  # fmt: skip
    good = {suffix: as_file(ROWS["classification"], suffix) for suffix in SUFFIXES}
    for suffix, content in good.items():
        yield data_case("not there", "classification", f"mine{suffix}", None)
        yield data_case("cut off", "classification", f"mine{suffix}", content[: len(content) // 2 + 3])
        yield data_case("utf-16", "classification", f"mine{suffix}", content.decode("latin-1").encode("utf-16"))
        yield data_case("noise", "classification", f"mine{suffix}", bytes(range(256)) * 3)
    latin = b"text,label\ncaf\xe9,sport\nb,politics\n"
    yield data_case("cp1252", "classification", "mine.csv", latin, "UTF-8")
    yield data_case("cp1252", "classification", "mine.tsv", latin.replace(b",", b"\t"), "UTF-8")
    yield data_case("a ragged line", "classification", "mine.csv", b"text,label\na,sport\nb\n")
    yield data_case("a longer line", "classification", "mine.csv", b"text,label\na,sport\nb,politics,c\n")
    yield data_case("a column twice", "classification", "mine.csv", b"text,label,label\na,sport,politics\n", "label")
    yield data_case("a key twice", "classification", "mine.jsonl", b'{"text": "a", "label": "sport", "label": "x"}\n')
    yield data_case("no object", "classification", "mine.jsonl", b'["a", "sport"]\n')
    yield data_case("an array", "classification", "mine.jsonl", b'[{"text": "a", "label": "sport"}]\n')
    yield data_case("half a character", "classification", "mine.jsonl", b'{"text": "\\ud83d", "label": "sprt"}\n')
    yield data_case("NUL", "classification", "mine.csv", b"text,label\na\0b,sprt\n")
    yield data_case("an unknown ending", "classification", "mine.xlsx", b"PK", ".xlsx")
    yield data_case("a list that is none", "choice", "mine.csv", b'text,choices,label\na,"[x",0\n', "choices")
    yield data_case("an unknown tag", "tagging", "mine.conll", b"Ann B-PRE\nruns O\n\n", "B-PRE")
    yield data_case("one column", "tagging", "mine.conll", b"Ann\nruns\n\n")
    yield data_case("BILOU", "tagging", "mine.conll", b"Ann U-PER\nruns O\n\n", "U-PER")
    yield data_case("empty", "tagging", "mine.conll", b"")


# Model folders, refused when planning or running over the tiny world's rows.

MODEL_RECIPE = """\
from adaptx import *
import tiny_rows
def build(model: ModelSpec):
    return Recipe("models", (Evaluate(model, tiny_rows.TATOEBA, "xa"),))
"""
TINY_ROWS = """\
from adaptx import *
TATOEBA = Task("tatoeba", Bitext(), evaluation=(
    Rows("tiny/tatoeba", "xa", "test", "xa", (("query", "other"), ("candidate", "english"))),))
"""


def model_case(name: str, change: Write, *says: str, world: Path) -> Broken:
    def write(folder: Path) -> None:
        (folder / "recipe.py").write_text(MODEL_RECIPE)
        (folder / "tiny_rows.py").write_text(TINY_ROWS)
        shutil.copytree(world / "models" / "tiny" / "bert", folder / "model")
        change(folder / "model")

    command = ("run", "{here}/recipe.py", "--data", "{world}", "--model", "{here}/model", "--device", "cpu")
    return Broken(f"model: {name}", command, says, write)


def config_change(**changes: object) -> Write:
    """Return a change of config.json. The value `...` removes the key."""

    def write(folder: Path) -> None:
        file = folder / "config.json"
        config = {**json.loads(file.read_text()), **changes}
        file.write_text(json.dumps({key: value for key, value in config.items() if value is not ...}))

    return write


def tensors(change: Callable[[dict[str, "object"]], dict[str, "object"]]) -> Write:
    def write(folder: Path) -> None:
        from safetensors.torch import load_file, save_file

        file = folder / "model.safetensors"
        save_file({key: value.contiguous() for key, value in change(load_file(file)).items()}, file, {"format": "pt"})

    return write


def one_changed(name: str, change: Callable[[object], object]) -> Callable[[dict[str, object]], dict[str, object]]:
    """Return a change of the tensors whose names have this ending."""
    return lambda found: {key: change(value) if key.endswith(name) else value for key, value in found.items()}


def removed(name: str) -> Write:
    return lambda folder: (folder / name).unlink()


def cut_off(name: str, share: float) -> Write:
    def write(folder: Path) -> None:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: int(len(content) * share)])

    return write


def model_cases(world: Path) -> Iterator[Broken]:
    def case(name: str, change: Write, *says: str) -> Broken:
        return model_case(name, change, *says, world=world)

    for key, values in {
        "model_type": (..., "bertt", "", None, 3, "gpt2"),
        "hidden_size": (..., 0, -4, "32", 33, None, 64),
        "num_hidden_layers": (..., 0, "two", 3, 1, None, 1.5),
        "num_attention_heads": (0, 5, "four", None),
        "intermediate_size": (0, 48, "big"),
        "vocab_size": (..., 0, 7, "many", None),
        "max_position_embeddings": (-1, 64, "x"),
    }.items():
        for value in values:
            shown = "left out" if value is ... else repr(value)
            yield case(f"config {key} {shown}", config_change(**{key: value}))
    yield case("config with auto_map", config_change(auto_map={"AutoModel": "code.Model"}), "auto_map")
    yield case("config is no JSON", text("config.json", "{"), "config.json")
    yield case("config is a list", text("config.json", "[]"), "config.json")
    yield case("config is empty", text("config.json", ""), "config.json")
    yield case("config is gone", removed("config.json"), "config.json")
    yield case("weights are gone", removed("model.safetensors"))
    for share in (0, 0.001, 0.3, 0.9, 0.999):
        yield case(f"weights cut at {share}", cut_off("model.safetensors", share), "model.safetensors")
    yield case("weights are noise", text("model.safetensors", bytes(range(256))), "model.safetensors")
    header = struct.pack("<Q", 2**60)
    yield case("weights' header too long", text("model.safetensors", header + b"{}"), "model.safetensors")
    yield case("weights are a page", text("model.safetensors", b"<html>404</html>"), "model.safetensors")
    yield case("weights are a pointer", text("model.safetensors", b"version https://git-lfs.github.com/spec/v1\n"))
    yield case(
        "keys prefixed", tensors(lambda found: {f"module.{key}": value for key, value in found.items()}), "module."
    )
    for name in ("embeddings.word_embeddings.weight", "encoder.layer.1.output.dense.weight"):

        def left_out(found: dict[str, "object"], name: str = name) -> dict[str, "object"]:
            return {key: value for key, value in found.items() if not key.endswith(name)}

        yield case(f"without {name}", tensors(left_out), name)
        yield case(f"NaN in {name}", tensors(one_changed(name, lambda value: value * float("nan"))), name)
        yield case(f"{name} of another shape", tensors(one_changed(name, lambda value: value[:-1])), name)
    yield case("no tensors", tensors(lambda found: {}))
    yield case("tokenizer is gone", removed("tokenizer.json"))
    yield case("tokenizer is no JSON", text("tokenizer.json", "{"), "tokenizer")
    yield case("tokenizer cut off", cut_off("tokenizer.json", 0.5), "tokenizer")
    yield case("tokenizer is a list", text("tokenizer.json", "[]"), "tokenizer")


# Modules trained elsewhere.

MODULE_RECIPE = """\
from adaptx import *
from adaptx.specs import Published
LABELS = ("entailment", "neutral", "contradiction")
COLUMNS = (("text", "premise"), ("pair", "hypothesis"), ("label", "label"))
ROWS = {split: Rows("tiny/nli", "en", split, "en", COLUMNS, label_names=LABELS) for split in ("train", "test")}
NLI = Task("nli", Classification(LABELS), (ROWS["train"],), evaluation=(ROWS["test"],))
def build(model: ModelSpec, module: str):
    start = Sequential(Published(module, model, Lora(4, 8), same_base=True))
    train = Train(model, NLI, Lora(4, 8), TrainConfig(1e-3, max_steps=1), start)
    return Recipe("modules", (Evaluate(train, NLI, "en"),))
"""
PEFT = {
    "peft_type": "LORA", "base_model_name_or_path": "tiny/bert", "r": 4, "lora_alpha": 8, "lora_dropout": 0.0,
    "target_modules": ["query", "value"], "bias": "none", "task_type": None,
}  # fmt: skip
MODULE_FILE = "adapter_model.safetensors"


def lora_tensors() -> dict[str, np.ndarray]:
    """Return the tensors of a module of the tiny encoder, named as peft names them."""
    at = "base_model.model.encoder.layer.{}.attention.self.{}.lora_{}.weight"
    return {
        at.format(layer, site, side): np.full(shape, 0.01, np.float32)
        for layer in range(tiny.LAYERS)
        for site in ("query", "value")
        for side, shape in (("A", (4, tiny.HIDDEN_SIZE)), ("B", (tiny.HIDDEN_SIZE, 4)))
    }


def module_case(name: str, *says: str, change: Write | None = None, **settings: object) -> Broken:
    def write(folder: Path) -> None:
        theirs = folder / "theirs"
        theirs.mkdir()
        config = {key: value for key, value in {**PEFT, **settings}.items() if value is not ...}
        (theirs / "adapter_config.json").write_text(json.dumps(config))
        save_file(lora_tensors(), theirs / MODULE_FILE)
        (folder / "recipe.py").write_text(MODULE_RECIPE)
        if change is not None:
            change(theirs)

    given = ("--data", "{world}", "--model", "{world}/models/tiny/bert", "--set", "module={here}/theirs")
    return Broken(f"module: {name}", ("run", "{here}/recipe.py", *given, "--device", "cpu"), says, write)


def lora_change(change: Callable[[str, np.ndarray], dict[str, np.ndarray]]) -> Write:
    """Return a change that replaces a module's first tensor."""

    def write(folder: Path) -> None:
        found = lora_tensors()
        name = next(iter(found))
        save_file(found | change(name, found.pop(name)), folder / MODULE_FILE)

    return write


def module_cases() -> Iterator[Broken]:
    for key, values in {
        "peft_type": (..., "IA3", "PROMPT_TUNING", "lora", None, 3),
        "r": (..., 0, -1, "four", 2.5, None, 8),
        "lora_alpha": (0, "eight", None, -8),
        "target_modules": (3, ["nothing"], "(a+)+$", ["query", 3]),
        "bias": ("some", 3),
        "use_dora": (True,),
        "modules_to_save": (3, ["embeddings"]),
        "rank_pattern": ({"query": 0}, {"query": "x"}, 3),
        "alpha_pattern": ({"query": 0}, "x"),
    }.items():
        for value in values:
            yield module_case(f"{key} {'left out' if value is ... else repr(value)}", "theirs", **{key: value})
    tensors: dict[str, Callable[[str, np.ndarray], dict[str, np.ndarray]]] = {
        "one tensor left out": lambda _, __: {},
        "one of another name": lambda name, value: {name.replace("query", "quern"): value},
        "one more layer": lambda name, value: {name: value, name.replace("layer.0", "layer.7"): value},
        "of another rank": lambda name, value: {name: value[:2]},
        "of another width": lambda name, value: {name: value[:, :7].copy()},
        "of no entries": lambda name, value: {name: value[:0]},
        "NaN": lambda name, value: {name: value * np.float32("nan")},
        "infinite": lambda name, value: {name: value * np.float32("inf")},
        "of whole numbers": lambda name, value: {name: value.astype(np.int8)},
        "a third tensor": lambda name, value: {name: value, name.replace("lora_A", "lora_C"): value},
    }
    for name, change in tensors.items():
        yield module_case(name, "theirs", change=lora_change(change))
    yield module_case("no tensors", "theirs", change=lambda folder: save_file({}, folder / MODULE_FILE))
    yield module_case("no config", "theirs", change=removed("adapter_config.json"))
    yield module_case("no weights", "theirs", change=removed(MODULE_FILE))
    yield module_case("config is no JSON", "adapter_config.json", change=text("adapter_config.json", "{"))
    yield module_case("config is a list", "adapter_config.json", change=text("adapter_config.json", "[]"))
    yield module_case("weights are noise", MODULE_FILE, change=text(MODULE_FILE, b"x" * 99))
    yield module_case("weights are empty", MODULE_FILE, change=text(MODULE_FILE, b""))
    yield module_case("weights cut off", MODULE_FILE, change=cut_off(MODULE_FILE, 0.7))
    yield module_case("folder is gone", "theirs", change=lambda folder: shutil.rmtree(folder))


# Command lines.

WRONG_NUMBERS = {int: ("x", "1.5", "0", "-1"), float: ("x", "-1", "nan")}


def command_cases() -> Iterator[Broken]:
    good = text("recipe.py", HEADER + "def build():\n    return GOOD")
    recipe, sample = "{here}/recipe.py", ("--data", "sample")
    group = typer.main.get_command(cli.app)
    callbacks = {(each.name or each.callback.__name__): each.callback for each in cli.app.registered_commands}
    for name, command in group.commands.items():
        hints = typing.get_type_hints(callbacks[name])
        yield Broken(f"{name}: an unknown option", (name, "--no-such-option"), ("--no-such-option",))
        arguments = [each for each in command.params if each.param_type_name == "argument" and each.required]
        if arguments:
            yield Broken(f"{name}: without arguments", (name,), (arguments[0].name,))
        for option in (each for each in command.params if each.param_type_name == "option" and not each.is_flag):
            kinds = {hints[option.name], *typing.get_args(hints[option.name])}
            values = next((values for kind, values in WRONG_NUMBERS.items() if kind in kinds), ())
            takes = [recipe] * bool(arguments)
            for value in values if name in ("plan", "run", "report", "memory") else values[:2]:
                if value == "0" and option.name == "saved_state_seconds":
                    continue
                yield Broken(f"{name}: {option.opts[0]} {value}", (name, *takes, option.opts[0], value), (value,), good)
    for options, says in {
        ("--precision", "fp8"): ("fp8",), ("--precision", "fp16"): ("fp16", "bf16"),
        ("--precision", ""): ("--precision",),
        ("--gpu", "big"): ("big",), ("--gpu", "-1GiB"): ("-1GiB",), ("--gpu", ""): ("--gpu",), ("--gpu", "0"): ("0",),
        ("--gpu", "24XB"): ("24XB",), ("--data", "{here}/nowhere"): ("nowhere",), ("--data", ""): ("--data",),
        ("--data", "{here}/recipe.py"): ("recipe.py",), ("--device", "tpu"): ("tpu",), ("--device", ""): ("device",),
        ("--model", "e5-small"): ("model",), ("--size", "small"): ("size",), ("--set", "a=b"): ("'a'",),
        ("--store", "{here}/recipe.py"): ("recipe.py",),
    }.items():  # fmt: skip
        given = options if "--data" in options else (*options, *sample)
        yield Broken(f"plan {' '.join(options)}", ("plan", recipe, *given), says, good)
    for device in ("tpu", "cuda:99", "cuda:x", "gpu", ""):
        yield Broken(
            f"run --device {device}", ("run", recipe, *sample, "--device", device), (device or "device",), good
        )
    for words in ("tasks", "models", "methods"):
        yield Broken(f"{words}: an argument too many", (words, "snlu", "x", "y"), ())
    store = ("--store", "{here}/store")
    for name, rest in {
        "predict": ("{here}/rows.csv",), "evaluate": ("--task", "{here}/rows.csv"),
        "export": ("{here}/out", "--to", "peft"),
    }.items():  # fmt: skip
        for stage in ("nothing", "", "../x", "0" * 64, "*"):
            write = text("rows.csv", "text,label\na,b\n")
            yield Broken(f"{name}: stage {stage!r}", (name, stage, *rest, *store), (f"stage {stage!r}",), write)
    for name, content in {
        "empty": "", "no JSON": "{", "a list": "[]", "no metric": "{}", "an unknown metric": '{"metric": "bleux"}',
        "NaN": '{"metric": NaN}', "a number": "3",
    }.items():  # fmt: skip
        yield Broken(f"score: {name}", ("score", "{here}/case.json"), ("case.json",), text("case.json", content))
    yield Broken("score: not there", ("score", "{here}/case.json"), ("case.json",))
    for arguments, says in {
        ("e5-mimi",): ("e5-mimi",), ("e5-mini", "--method", "loraa"): ("loraa",), ("",): ("model",),
        ("e5-mini", "--batch-size", "0"): ("0",), ("e5-mini", "--sequence-length", "0"): ("0",),
        ("e5-mini", "--gpu", "big"): ("big",), ("e5-mini", "--precision", "fp8"): ("fp8",),
        ("e5-mini", "--method", "lora-r0"): ("lora-r0",),
    }.items():  # fmt: skip
        yield Broken(f"memory {' '.join(arguments)}", ("memory", *arguments), says)
    yield Broken("fetch without --to", ("fetch", recipe), ("--to",), good)
    yield Broken("no such command", ("plann", recipe), ("plann",), good)
    yield Broken("report: nothing stored", ("report", recipe, *sample, *store, "--out", "{here}/out"), ("store",), good)
    yield Broken("prune: no such recipe", ("prune", "{here}/recip.py"), ("recip.py",), good)


GROUPS: dict[str, Callable[[Path], Iterator[Broken]]] = {
    "specs": lambda _: spec_cases(),
    "recipes": lambda _: recipe_cases(),
    "data files": lambda _: data_cases(),
    "model folders": model_cases,
    "modules": lambda _: module_cases(),
    "command lines": lambda _: command_cases(),
}
"""Kind of broken input -> its cases, made from the folder of the tiny world."""
