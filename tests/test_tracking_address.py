"""Tracking addresses: what cannot work is refused before any work, and no password is ever shown."""

import os
import re
import socket
import sqlite3
import stat
from pathlib import Path

import pytest

from adaptx.errors import UserError
from adaptx.store.store import Store
from adaptx.tracking.address import Address, address_of
from adaptx.tracking.ui import _listening

SECRET = "s3cr3t"
WITH_SECRETS = [
    (f"http://user:{SECRET}@host:5000", "http://host:5000"),
    (f"https://user:{SECRET}@host/base?token={SECRET}", "https://host/base"),
    (f"http://host:5000/?token={SECRET}", "http://host:5000/"),
    (f"http://user:{SECRET}@@host", "http://host"),
    (f"http://user:p%40{SECRET}@host", "http://host"),
    (f"http://user:p/{SECRET}@host", "http://host"),
    (f"http://user:p#{SECRET}?x@host", "http://host"),
    (f"http://{SECRET}@host", "http://host"),
    (
        f"postgresql+psycopg2://user:{SECRET}@host:5432/runs?sslpassword={SECRET}",
        "postgresql+psycopg2://host:5432/runs",
    ),
    (f"mysql://user:{SECRET}@host/runs", "mysql://host/runs"),
    (f"htp://user:{SECRET}@host", "htp://host"),
    (f"user:{SECRET}@host:5000", "host:5000"),
    (f"{SECRET}:@host:5000", "host:5000"),
]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return Store(tmp_path / "store")


@pytest.mark.parametrize(("uri", "shown"), WITH_SECRETS)
def test_no_text_about_an_address_has_its_secrets(uri: str, shown: str, store: Store) -> None:
    address = address_of(uri, store)
    assert address.shown == shown
    texts = [repr(address), *map(address.clean, (uri, f"API request to {uri}/api/2.0 failed"))]
    try:
        address.check()
    except UserError as error:
        texts.append(str(error))
    assert [text for text in texts if SECRET in text] == []


def test_a_password_on_its_own_is_not_shown_either(store: Store) -> None:
    address = address_of("http://user:pass%2Fword@host?token=abc", store)
    for text in ("password pass/word", "password pass%2Fword", "Basic dXNlcjpwYXNzL3dvcmQ=", "token abc"):
        assert address.clean(text) == f"{text.split()[0]} ***"


def test_secrets_of_the_environment_are_not_shown_either(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", SECRET)
    assert address_of("http://host", store).clean(f"401 for Bearer {SECRET}") == "401 for Bearer ***"


@pytest.mark.parametrize(
    "uri",
    ["http://host", "https://user:p%40ss@host:443/base", "databricks", "databricks://profile",
     "sqlite:///relative.db", " http://host \n"],
)  # fmt: skip
def test_what_mlflow_reads_is_taken(uri: str, store: Store) -> None:
    assert address_of(uri, store).check().uri == uri.strip()


def test_a_scheme_in_capitals_is_read_as_in_small_letters(store: Store, tmp_path: Path) -> None:
    address = address_of(f"SQLITE:///{tmp_path}/Runs.db", store).check()
    assert (address.uri, address.database) == (f"sqlite:///{tmp_path}/Runs.db", tmp_path / "Runs.db")


@pytest.mark.parametrize(
    ("uri", "cause"),
    [
        ("mlruns", "names a folder"),
        ("file:///tmp/mlruns", "names a folder"),
        ("/tmp/mlruns", "names a folder"),
        ("htp://host", "begins with htp://, which MLflow does not know"),
        ("host:5000", "has no scheme"),
        ("databricks-uc", "a model registry"),
        ("uc:catalog", "a model registry"),
        ("http://", "has no host"),
        ("http://host:port", "has no host, or an invalid port"),
        ("http://host:99999", "has no host, or an invalid port"),
        ("http://[::1", "has no host, or an invalid port"),
        ("http://user:a/b@host", "`/ ? # @ :` in a user or password as %2F"),
        ("postgresql+none://user:s3cr3t@host/runs", "install the database's driver"),
        ("postgresql+psycopg2://user:s3cr3t@host:port/runs", "postgresql"),
        ("sqlite://", "in memory"),
        ("sqlite:///:memory:", "in memory"),
        ("sqlite:////etc/hosts/none/mlflow.db", "/etc/hosts is not a folder that you may write to"),
    ],
)
def test_what_cannot_work_is_refused_with_the_remedy(uri: str, cause: str, store: Store) -> None:
    with pytest.raises(UserError, match=re.escape(cause)) as refused:
        address_of(uri, store).check()
    assert any(
        remedy in str(refused.value)
        for remedy in ("http://HOST:PORT", "sqlite:////absolute", "@HOST/DATABASE", "databricks://")
    )
    assert "s3cr3t" not in str(refused.value)


def test_a_database_that_is_none_or_cannot_be_written_is_refused(store: Store) -> None:
    store.root.mkdir()
    database = store.root / "mlflow.db"
    address_of(None, store).check()
    with sqlite3.connect(database) as made:
        made.execute("create table a (b)")
    made.close()
    address_of(None, store).check()
    database.chmod(stat.S_IRUSR)
    if not os.access(database, os.W_OK):  # root may write to anything
        with pytest.raises(UserError, match="readonly"):
            address_of(None, store).check()
    database.chmod(stat.S_IRUSR | stat.S_IWUSR)
    database.write_bytes(b"no database" * 100)
    with pytest.raises(UserError, match=f"cannot record to sqlite:///{database}: file is not a database; fix that"):
        address_of(None, store).check()
    database.unlink()
    database.mkdir()
    with pytest.raises(UserError, match="this is a folder"):
        address_of(None, store).check()


def test_a_database_that_another_process_writes_to_is_no_fault(store: Store) -> None:
    store.root.mkdir()
    other = sqlite3.connect(store.root / "mlflow.db")
    other.execute("create table a (b)")
    other.execute("begin immediate")
    address_of(None, store).check()
    other.close()


def test_the_default_is_the_stores_own_database(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    own = address_of(None, store)
    assert own == address_of(f"sqlite:///{store.root / 'mlflow.db'}", store)
    assert own == Address(f"sqlite:///{store.root / 'mlflow.db'}", store.root / "mlflow.db", own=True)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://host")
    assert address_of(None, store).uri == "http://host"
    assert address_of("http://other", store).uri == "http://other"


def test_a_port_that_is_taken_is_said_and_the_default_goes_on_to_the_next() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            UserError, match=rf"--port {port}: Address already in use; choose another port, or --port 0"
        ):
            _listening(port)
    with _listening(None) as first, _listening(None) as second:
        assert 5000 <= first.getsockname()[1] < second.getsockname()[1] < 5020
