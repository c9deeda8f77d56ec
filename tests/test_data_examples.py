"""`adaptx tasks NAME`: one example a language, shortened, and the languages that have none."""

import io
import json

import pytest
from rich.console import Console

from adaptx.catalog.local import local_task
from adaptx.cli import app as cli
from adaptx.cli.views.catalog import show_examples, show_task
from adaptx.cli.views.examples import FoundExamples, found_examples
from adaptx.sources.sources import Sources
from adaptx.specs import Classification, Rows

TOPICS = Classification(("sport", "politics"))


@pytest.fixture
def found(tmp_path) -> FoundExamples:
    rows = {"en": "goal " * 40, "sw": "bao"}
    for language, text in rows.items():
        (tmp_path / f"{language}.jsonl").write_text(json.dumps({"text": text, "label": "sport"}) + "\n")
    task = local_task("news", TOPICS, {"en": tmp_path / "en.jsonl"}, evaluation={"sw": tmp_path / "sw.jsonl"})
    elsewhere = Rows("owner/none", "config", "test", "yo", (("text", "text"), ("label", "label")))
    object.__setattr__(task, "evaluation", (*task.evaluation, elsewhere))
    return found_examples(task, Sources("sample"))


def test_examples_are_the_first_rows_shortened(found) -> None:
    assert [each.language for each in found.examples] == ["sw", "en"]
    assert found.examples[0].example == {"text": "bao", "label": "sport"}
    assert found.examples[1].example["text"].endswith("goal ... (200 characters)")
    assert found.without == ["yo"]


def test_examples_are_shown_by_language(found) -> None:
    console = Console(width=200, record=True, file=io.StringIO())
    show_examples(found, "the mirror", console)
    shown = console.export_text()
    assert "sw (Swahili), file:" in shown
    assert "text: bao" in shown
    assert "no example in the mirror for: yo" in shown


def test_long_lists_are_cut(tmp_path) -> None:
    file = tmp_path / "rows.tsv"
    file.write_text("".join(f"word{i}\tsport\n" for i in range(12)))
    from adaptx.specs import Tagging

    task = local_task("tags", Tagging(TOPICS.labels), {"en": file})
    (example,) = found_examples(task, Sources("sample")).examples
    assert example.example["tokens"] == [*(f"word{i}" for i in range(8)), "... (4 more)"]


def test_the_command_prints_them_as_text_and_as_json(monkeypatch, capsys) -> None:
    for arguments in (["sib200"], ["sib200", "--data", "sample", "--json"]):
        monkeypatch.setattr("sys.argv", ["adaptx", "tasks", *arguments])
        with pytest.raises(SystemExit):
            cli.main()
    text, _, body = capsys.readouterr().out.partition("\n[\n")
    assert "no example in the packaged sample for:" in text
    (task,) = json.loads(f"[{body}")
    assert {example["language"] for example in task["examples"]}.isdisjoint(task["without_example"])
    assert {"text", "label"} == set(task["examples"][0]["example"])
    assert task["pool"] == []


def test_a_tasks_pool_is_in_its_table(tmp_path) -> None:
    from adaptx.catalog import LAREQA

    console = Console(width=200, record=True, file=io.StringIO())
    show_task(LAREQA, console)
    assert console.export_text().count(" pool ") == len(LAREQA.pool)
