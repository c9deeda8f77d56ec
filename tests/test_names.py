"""Names that become names of files: the specs refuse those that would leave their folder or get lost in it."""

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support import tiny

from adaptx.catalog import E5_MINI
from adaptx.errors import UserError
from adaptx.specs import Bitext, Classification, Evaluate, Lora, Mixture, ModelSpec, Published, Recipe, Rows, Task
from adaptx.specs.names import MOST_BYTES, check_address, check_file_name
from adaptx.store.records import StageRecord
from adaptx.store.store import Store

BAD = {
    "": "it is empty",
    "pt/br": "it contains a slash (`/`)",
    "../../x": "it contains a slash (`/`)",
    "a\\b": "it contains a slash",
    "..": "it begins with `.`",
    ".hidden": "it begins with `.`",
    "-rf": "it begins with `-`",
    "nul\0": "it contains U+0000",
    "two\nlines": "it contains U+000A",
    "turned \u202e": "it contains U+202E",
    " en": "begins or ends with a space",
    "é" * 51: "it is 102 bytes long, more than 100",
}
MAKERS = {
    "Rows(language)": lambda name: tiny.rows("nli", name, "test", (("text", "text"),)),
    "Task(name)": lambda name: Task(name, Bitext()),
    "Mixture(label)": lambda name: Mixture((tiny.NLI, tiny.TOPIC), label=name),
    "Published(name)": lambda name: Published("owner/module", E5_MINI, Lora(), name=name),
    "Recipe(name)": lambda name: Recipe(name, (Evaluate(E5_MINI, tiny.TATOEBA, "xa"),)),
}


@pytest.mark.parametrize("field", MAKERS)
@pytest.mark.parametrize("name", BAD)
def test_specs_refuse_names_that_no_file_should_have(field: str, name: str) -> None:
    if field == "Mixture(label)" and not name:
        assert MAKERS[field](name).name == "nli_topic", "a mixture without a label is called after its tasks"
        return
    if field == "Published(name)" and not name:
        assert MAKERS[field](name).name == "module", "one without a name is called after the last part of its source"
        return
    with pytest.raises(UserError) as caught:
        MAKERS[field](name)
    told = str(caught.value)
    assert told.startswith(f"{field}={name!r}: ")
    assert BAD[name] in told
    assert "use letters, digits" in told


@pytest.mark.parametrize("field", MAKERS)
def test_half_a_character_is_refused_in_names_as_in_every_text(field: str) -> None:
    with pytest.raises(UserError, match="half of a character, which no file can store"):
        MAKERS[field]("half \ud83d")


def test_a_mirror_s_files_stay_in_it() -> None:
    fields = {"hub_id": "owner/name", "config": "en", "split": "test"}
    assert Rows(**fields, language="en", columns=(("text", "text"),)).address == "owner/name/en/test"
    for field in fields:
        for bad in ("../../etc", "a//b", "/etc", "owner/..", "nul\0"):
            with pytest.raises(UserError, match=r"Rows\(" + field):
                Rows(**{**fields, field: bad}, language="en", columns=(("text", "text"),))
    # The user's own files may lie anywhere.
    assert Rows("file:/data/../rows", "a.csv", "test", "en", (("text", "text"),)).language == "en"


def test_a_model_is_called_after_the_last_part_of_its_place() -> None:
    assert ModelSpec("../models/xlm-r/").name == "xlm-r"
    for place in ("..", "owner/", "/models/.", "owner/na\nme"):
        if place.rstrip("/").rsplit("/", 1)[-1] == "owner":
            assert ModelSpec(place).name == "owner"
            continue
        with pytest.raises(UserError, match=r"ModelSpec\(hub_id\), its last part"):
            ModelSpec(place)


@given(st.text() | st.text(st.sampled_from("./\\-ab \0\n\ud83d"), max_size=12) | st.text(min_size=30, max_size=120))
@example("é" * (MOST_BYTES // 2))
@example("...")
@example("a/../../b")
def test_no_accepted_name_leaves_its_folder_or_is_lost(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    try:
        check_file_name("name", name)
    except UserError:
        return
    folder = tmp_path_factory.getbasetemp() / "names"
    folder.mkdir(exist_ok=True)
    file = folder / name
    assert file.resolve().parent == folder.resolve()
    file.write_text(name)
    assert name in [each.name for each in folder.iterdir()]
    file.unlink()
    golds = Store(folder).golds_file(name, name, "ab" * 32)
    golds.parent.mkdir(exist_ok=True)
    golds.touch()
    assert golds.resolve().parent == (folder / "golds").resolve()
    golds.unlink()


@given(st.text(st.sampled_from("./\\-ab \0"), max_size=16))
def test_no_accepted_address_leaves_its_folder(name: str) -> None:
    try:
        check_address("hub_id", name)
    except UserError:
        return
    folder = Path("/mirror")
    assert (folder / name).resolve().is_relative_to(folder)
    assert (folder / name).resolve() != folder


def test_a_stage_of_many_names_has_a_folder_that_file_systems_take(tmp_path: Path) -> None:
    tasks = tuple(Task(f"{'long' * 20}{number}", Classification(("a", "b"))) for number in range(6))
    store = Store(tmp_path)
    record = StageRecord(
        name=Mixture(tasks).name,
        kind="train",
        fingerprint="ab" * 32,
        nominal="cd" * 32,
        inputs=(),
        identity={},
        spec={},
    )
    with store.building(record):
        pass
    entry = Store(tmp_path).find("ab" * 32)
    assert entry is not None
    assert entry.folder.name.startswith("longlong")
    assert entry.folder.name.endswith("-abababab")
    assert len(entry.folder.name.encode()) < 255
