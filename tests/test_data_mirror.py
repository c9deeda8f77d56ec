"""`adaptx fetch`: what is asked of the hub, what is written, and what is left alone."""

import dataclasses
import json
from pathlib import Path

import datasets
import pytest

from adaptx.catalog import E5_MINI
from adaptx.catalog.local import local_task
from adaptx.data.mirror import fetch
from adaptx.data.reading import read_rows
from adaptx.errors import MissingInput
from adaptx.sources.sources import Sources
from adaptx.specs import Classification, ModelSpec, Rows

COMMIT = "c" * 40
LABELS = ("no", "yes")
ROWS = Rows(
    "owner/set", "config", "test", "en", (("text", "text"), ("label", "label")), label_names=LABELS, revision="v1.0"
)
CONVERTED = dataclasses.replace(ROWS, hub_id="owner/scripted", revision="refs/convert/parquet")


@pytest.fixture
def asked(monkeypatch) -> list[tuple[str | None, ...]]:
    """Every question to a hub that has one set and one checkpoint."""
    questions: list[tuple[str | None, ...]] = []
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=list(LABELS))})

    def resolve(kind, hub_id, revision):
        questions.append((kind, hub_id, revision))
        return COMMIT

    def load(hub_id, config=None, split=None, revision=None, data_files=None):
        questions.append((hub_id, config or data_files[split], split, revision))
        if split != "test":
            raise ValueError(f"Unknown split {split}")
        return datasets.Dataset.from_dict({"text": ["a", "b"], "label": [1, 0]}, features=features)

    def snapshot(hub_id, revision, allow_patterns, local_dir: Path):
        questions.append((hub_id, revision, "bin" if "pytorch_model*.bin" in allow_patterns else "safetensors"))
        (local_dir / ".cache").mkdir(parents=True)
        (local_dir / "config.json").write_text("{}")
        (local_dir / "model.safetensors").write_text(hub_id)

    monkeypatch.setattr("adaptx.data.mirror.resolve_commit", resolve)
    monkeypatch.setattr("datasets.load_dataset", load)
    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot)
    monkeypatch.setattr("huggingface_hub.HfApi.list_repo_files", lambda *_, **__: ["config.json", "model.safetensors"])
    return questions


def test_rows_and_models_are_written_with_their_commit(tmp_path, asked) -> None:
    model = ModelSpec("owner/model")
    written = fetch([ROWS, model, ROWS], tmp_path, lambda _: None)
    assert written == [
        "owner/set/config/test.parquet",
        "models/owner/model/config.json",
        "models/owner/model/model.safetensors",
    ]
    assert asked == [
        ("datasets", "owner/set", "v1.0"),
        ("owner/set", "config", "test", COMMIT),
        ("models", "owner/model", None),
        ("owner/model", COMMIT, "safetensors"),
    ]
    files = json.loads((tmp_path / "mirror.json").read_text())["files"]
    assert set(files) == set(written)
    mirror = Sources(tmp_path)
    assert mirror.rows(ROWS).digest == f"hub:owner/set/config/test@{COMMIT}", "as if it were read from the hub"
    assert mirror.model(model).digest == f"hub:owner/model@{COMMIT}"
    examples = read_rows(ROWS, Classification(LABELS), mirror)
    assert examples.columns == {"text": ["a", "b"], "label": ["yes", "no"]}, "class labels are ids in the file"


def test_the_files_of_a_converted_set_are_asked_for_by_their_folder(tmp_path, asked) -> None:
    assert fetch([CONVERTED], tmp_path, lambda _: None) == ["owner/scripted/config/test.parquet"]
    assert asked == [
        ("datasets", "owner/scripted", "refs/convert/parquet"),
        ("parquet", f"hf://datasets/owner/scripted@{COMMIT}/config/test/*.parquet", "test", None),
    ]


def test_what_is_there_or_local_is_left_alone(tmp_path, asked) -> None:
    own = tmp_path / "own.csv"
    own.write_text("text,label\na,yes\n")
    task = local_task("own", Classification(LABELS), {"en": own})
    mirror = tmp_path / "mirror"
    assert fetch([*task.train, E5_MINI], mirror, lambda _: None) == []
    assert asked == []
    fetch([ROWS], mirror, lambda _: None)
    asked.clear()
    assert fetch([ROWS], mirror, lambda _: None) == []
    assert asked == []
    (mirror / f"{ROWS.address}.parquet").unlink()
    assert len(fetch([ROWS], mirror, lambda _: None)) == 1


def test_a_set_that_cannot_be_had_keeps_what_was_fetched_before(tmp_path, asked) -> None:
    missing = Rows("owner/set", "config", "train", "en", ROWS.columns)
    with pytest.raises(
        MissingInput, match=r"owner/set/config/train cannot be fetched \(ValueError: Unknown split train\)"
    ):
        fetch([ROWS, missing], tmp_path, lambda _: None)
    assert list(json.loads((tmp_path / "mirror.json").read_text())["files"]) == ["owner/set/config/test.parquet"]
    assert not list(tmp_path.rglob("*.part"))
