"""Where rows and weights are looked for, and what is said when they are not there."""

import json
import os
from pathlib import Path

import pytest

from adaptx.catalog import E5_MINI, MNLI, NLI, SNLI
from adaptx.errors import MissingInput, UserError
from adaptx.sample import SAMPLE
from adaptx.sources.sources import Sources
from adaptx.specs import ModelSpec, Rows

ROWS = Rows("owner/set", "config", "test", "en", (("text", "text"),))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    file = tmp_path / "data" / "owner" / "set" / "config" / "test.parquet"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"rows")
    return tmp_path / "data"


def model_folder(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).write_text(name)
    return folder


def test_a_mirror_is_read_at_its_address_and_nowhere_else(data) -> None:
    place = Sources(data).rows(ROWS)
    assert place.path == data / "owner/set/config/test.parquet"
    assert place.digest.startswith("sha256:")
    assert place.nominal == "owner/set/config/test@main"


def test_a_file_that_is_changed_under_a_run_is_not_read_under_its_old_name(data) -> None:
    sources, file = Sources(data), data / "owner/set/config/test.parquet"
    before = sources.rows(ROWS).digest
    file.write_bytes(b"other rows")
    with pytest.raises(UserError, match=rf"{file} changed while adaptx was running.*run the same command again"):
        sources.rows(ROWS)
    assert Sources(data).rows(ROWS).digest != before
    file.write_bytes(b"rows")
    assert sources.rows(ROWS).digest == before


def test_a_missing_set_names_the_file_what_is_there_and_the_remedy(data) -> None:
    missing = Rows("owner/set", "config", "train", "en", (("text", "text"),))
    with pytest.raises(MissingInput) as caught:
        Sources(data).rows(missing)
    said = str(caught.value)
    assert f"no rows for en at {data}/owner/set/config/train.parquet" in said
    assert "owner/set has only: owner/set/config/test.parquet" in said
    assert "adaptx fetch RECIPE --to DIR" in said
    with pytest.raises(MissingInput, match="the data folder holds nothing of owner/none"):
        Sources(data).rows(Rows("owner/none", "config", "train", "en", ROWS.columns))


def test_the_samples_own_remedy(data) -> None:
    with pytest.raises(MissingInput, match="The packaged sample holds few data sets: drop `--data sample`"):
        Sources("sample").rows(Rows("owner/set", "config", "test", "en", ROWS.columns))


def test_a_data_folder_that_is_not_there(tmp_path) -> None:
    with pytest.raises(MissingInput, match=r"--data .*none: there is no such folder; give a local mirror"):
        Sources(tmp_path / "none")


def test_the_sample_holds_the_quickstarts_rows_and_model() -> None:
    sample = Sources("sample")
    assert sample.is_sample
    for rows in (*SNLI.train, *MNLI.train, *NLI.evaluation):
        assert sample.rows(rows).path.is_relative_to(SAMPLE / "data")
    assert sample.model(E5_MINI).path == SAMPLE / "models" / "adaptx" / "e5-mini"
    assert Sources(None).model(E5_MINI).path == sample.model(E5_MINI).path, "the packaged model needs no --data"


def test_models_come_from_the_mirror_first(tmp_path, data) -> None:
    own = model_folder(data / "models" / "adaptx" / "e5-mini", "config.json", "model.safetensors")
    assert Sources(data).model(E5_MINI).path == own
    elsewhere = model_folder(tmp_path / "elsewhere", "config.json", "pytorch_model.bin")
    assert Sources(data).model(ModelSpec(str(elsewhere))).path == elsewhere


@pytest.mark.parametrize("name", ["tf_model.h5", "flax_model.msgpack", "model.gguf"])
def test_weights_in_another_form_are_refused_with_the_converting_command(tmp_path, name: str) -> None:
    folder = model_folder(tmp_path / "model", "config.json", name)
    with pytest.raises(UserError, match=rf"holds no weights that adaptx reads .*{name}.*Convert it: python -c"):
        Sources(None).model(ModelSpec(str(folder)))


def test_hub_commits_are_pinned_cached_or_asked_for(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    asked: list[tuple[str, str, str | None]] = []

    def resolve(*question: str | None) -> str:
        asked.append(question)
        return "b" * 40

    assert Sources(None).rows(ROWS).digest is None
    assert Sources(None, resolve=resolve).rows(ROWS).digest == f"hub:owner/set/config/test@{'b' * 40}"
    assert asked == [("datasets", "owner/set", None)]
    reference = tmp_path / "datasets--owner--set" / "refs" / "main"
    reference.parent.mkdir(parents=True)
    reference.write_text("c" * 40 + "\n")
    assert Sources(None, resolve=resolve).rows(ROWS).commit == "c" * 40
    pinned = Rows("owner/set", "config", "test", "en", ROWS.columns, revision="d" * 40)
    assert Sources(None).rows(pinned).commit == "d" * 40
    assert len(asked) == 1


def test_a_file_is_hashed_again_only_when_it_changed(data, tmp_path, monkeypatch) -> None:
    cache = tmp_path / "store" / "digests.json"
    first = Sources(data, cache).rows(ROWS).digest
    (key,) = json.loads(cache.read_text())["files"]
    monkeypatch.setattr("hashlib.file_digest", lambda *_: pytest.fail("hashed again"))
    assert Sources(data, cache).rows(ROWS).digest == first
    monkeypatch.undo()
    file = data / "owner/set/config/test.parquet"
    stat = file.stat()
    file.write_bytes(b"swor")
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert Sources(data, cache).rows(ROWS).digest != first, "size and mtime are the same, ctime is not"
    assert key == str(file)


@pytest.mark.parametrize("content", [b"{", b"", b"[]", b"3", b'{"sha256": 1, "files": 2}', b"\xff\xfe\x00", b"{}"])
def test_a_digest_cache_that_cannot_be_used_costs_only_time(data, tmp_path, content: bytes) -> None:
    broken = tmp_path / "digests.json"
    broken.write_bytes(content)
    assert Sources(data, broken).rows(ROWS).digest == Sources(data).rows(ROWS).digest
    assert Sources(data, broken).rows(ROWS).digest == Sources(data).rows(ROWS).digest, "and it was written anew"
    # A digest in it that is not the file's is not believed.
    digest = Sources(data).rows(ROWS).digest.removeprefix("sha256:")
    broken.write_text(broken.read_text().replace(digest, digest[::-1]))
    assert Sources(data, broken).rows(ROWS).digest == f"sha256:{digest}"
    (tmp_path / "a-file").touch()
    assert Sources(data, tmp_path / "a-file" / "digests.json").rows(ROWS).digest


def test_own_files_are_read_in_order_whatever_the_data_folder(tmp_path, data) -> None:
    folder = tmp_path / "own files"
    for name in ("b/2.txt", "a/1.txt", "a/skipped.csv"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    several = Rows(f"file:{folder}", "a/*.txt b/*.txt", "train", "en", (("tokens", "tokens"),))
    place = Sources(data).rows(several)
    assert place.files == (folder / "a/1.txt", folder / "b/2.txt")
    assert place.digest == Sources(None).rows(several).digest
    (folder / "b/2.txt").write_text("other")
    assert Sources(data).rows(several).digest != place.digest
    one = Rows(f"file:{folder}", "a/1.txt", "train", "en", ROWS.columns)
    assert Sources(data).rows(one).files == (folder / "a/1.txt",)
    with pytest.raises(MissingInput, match=r"no rows for en at .*none\.txt; the folder holds: a, b\. Correct"):
        Sources(data).rows(Rows(f"file:{folder}", "none.txt", "train", "en", ROWS.columns))
    with pytest.raises(MissingInput, match="the folder is empty or does not exist"):
        Sources(data).rows(Rows(f"file:{tmp_path}/nowhere", "none.txt", "train", "en", ROWS.columns))
