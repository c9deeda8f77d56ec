"""Addresses of tracking servers: checked before work starts, shown without user, password and query."""

import base64
import contextlib
import os
import re
import sqlite3
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from adaptx.errors import UserError
from adaptx.store.store import Store

SERVERS = ("http", "https")
DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
DATABRICKS = ("databricks",)
REGISTRIES = ("databricks-uc", "uc")
SQLITE = "sqlite:///"
OWN_DATABASE = "mlflow.db"
SHORTEST_SECRET = 3
"""Shorter secrets are not replaced in texts, because that would garble the words around them."""
SECRET_VARIABLES = ("MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN", "DATABRICKS_TOKEN")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9_.-]*)(\+[A-Za-z0-9_.-]+)?:")
_USER = re.compile(r"//[^/\s'\"]*@")


@dataclass(frozen=True)
class Address:
    """A tracking address.

    Attributes:
        uri: the address as MLflow reads it. It may contain a password, so the repr leaves it out.
        database: the SQLite file; None for another kind of address, and for an ambiguous path, such as one with `%`.
        own: whether this is the store's own database, which MLflow opens by its file name from within its folder.
    """

    uri: str = field(repr=False)
    database: Path | None = None
    own: bool = False

    @property
    def scheme(self) -> str:
        """The scheme in lower case, such as `postgresql` for `postgresql+psycopg2://db/x`; empty if there is none."""
        found = _SCHEME.match(self.uri)
        return found[1].lower() if found else self.uri if self.uri in DATABRICKS else ""

    @property
    def is_server(self) -> bool:
        return self.scheme in SERVERS

    @property
    def shown(self) -> str:
        """The address for display, without what may be secret: the query, and everything up to the last `@`."""
        if self.own:
            return f"{SQLITE}{self.database}"
        if self.scheme == "sqlite":
            return self.uri.partition("?")[0]
        start, slashes, rest = self.uri.partition("://")
        if not slashes:
            start, rest = "", self.uri
        return f"{start}{slashes}{re.split('[?#]', rest.rpartition('@')[2])[0]}"

    def enter(self) -> str:
        """Return the address to give to MLflow in this process.

        This may change the working folder, so call it only in a process that belongs to adaptx.
        """
        if not self.own:
            return self.uri
        assert self.database is not None
        self.database.parent.mkdir(parents=True, exist_ok=True)
        # The bare file name, because MLflow and SQLAlchemy misread `?` and `%` in paths.
        os.chdir(self.database.parent)
        return f"{SQLITE}{self.database.name}"

    def clean(self, text: str) -> str:
        """Replace the address's secrets in a text, even where a library has quoted or encoded them."""
        for secret in self._secrets():
            text = text.replace(secret, "***")
        return text if self.scheme == "sqlite" else _USER.sub("//", text)

    def check(self) -> "Address":
        """Return this address if MLflow can record to it, as far as that is known without contacting a server.

        Raises:
            UserError: MLflow does not know the scheme, the address names a folder, the host is missing, the database's
                driver is not installed, or the database cannot be written to.
        """
        if not self.own:
            self._check_form()
        if self.database is not None:
            _check_database(self.database, self.shown)
        return self

    def _check_form(self) -> None:
        scheme = self.scheme
        if self.uri.partition(":")[0] in REGISTRIES:
            raise UserError(
                f"the tracking address {self.uri.partition(':')[0]} is a model registry, which does not record runs; "
                "use databricks, or databricks://PROFILE"
            )
        if scheme in ("", "file"):
            raise UserError(
                "the tracking address names a folder, and MLflow no longer stores runs in folders; name a database "
                "(--tracking sqlite:////absolute/path/mlflow.db), or set neither --tracking nor MLFLOW_TRACKING_URI "
                "to use a database in the store"
            )
        plugins = {each.name for each in entry_points(group="mlflow.tracking_store")}
        if scheme not in (*SERVERS, *DATABASES, *DATABRICKS, *plugins):
            # Do not show the part before a colon unless `://` follows: it may be a user name or a token.
            begins = f"begins with {scheme}://, which MLflow does not know" if "://" in self.uri else "has no scheme"
            known = ", ".join((*SERVERS, *DATABASES, "databricks"))
            raise UserError(
                f"the tracking address (--tracking or MLFLOW_TRACKING_URI) {begins}; write it as http://HOST:PORT, or "
                f"with another scheme ({known})"
            )
        if scheme == "sqlite" and (not self.uri.partition("?")[0].partition("///")[2] or ":memory:" in self.uri):
            raise UserError(
                "the tracking address is a SQLite database in memory, which is lost when the process ends; name a "
                "file: --tracking sqlite:////absolute/path/mlflow.db"
            )
        if scheme in DATABASES and scheme != "sqlite":
            self._check_driver()
        if scheme in SERVERS:
            try:
                parts = urlsplit(self.uri)
                host, _ = parts.hostname, parts.port
                # An unquoted `/`, `?` or `#` in a password ends the host part too early, and an `@` is left over.
                if "@" in self.uri.partition("://")[2][len(parts.netloc) :]:
                    host = None
            except ValueError:
                host = None
            if not host:
                raise UserError(
                    "the tracking address (--tracking or MLFLOW_TRACKING_URI) has no host, or an invalid port; write "
                    "it as http://HOST:PORT, and write `/ ? # @ :` in a user or password as %2F %3F %23 %40 %3A"
                )

    def _check_driver(self) -> None:
        from sqlalchemy import create_engine
        from sqlalchemy.exc import ArgumentError

        try:
            # This loads the driver, but does not connect yet.
            create_engine(self.uri)
        except (ImportError, ValueError, ArgumentError) as error:
            raise UserError(
                f"MLflow cannot record to {self.shown}: {self.clean(str(error))}; install the database's driver, and "
                "name the driver in the address if it is not SQLAlchemy's default, as in "
                "postgresql+psycopg2://USER:PASSWORD@HOST/DATABASE"
            ) from None

    def _secrets(self) -> list[str]:
        """Return the parts of the address that must not be shown, longest first."""
        found = {os.environ.get(name, "") for name in SECRET_VARIABLES}
        if self.scheme != "sqlite":
            before, _, query = self.uri.partition("?")
            found |= {query, *(value for _, value in parse_qsl(query))}
            # A password may contain an unquoted `@` by mistake, so everything up to the last `@` counts as secret.
            user, at, _ = self.uri.partition("://")[2].rpartition("@")
            if not at and "://" not in self.uri:
                user, at, _ = before.rpartition("@")
            password = user.partition(":")[2]
            found |= {user, password, base64.b64encode(unquote(user).encode()).decode()} if at else set()
        found |= {unquote(each) for each in found} | {quote(each, safe="") for each in found}
        return sorted((each for each in found if len(each) >= SHORTEST_SECRET), key=len, reverse=True)


def address_of(tracking: str | None, store: Store) -> Address:
    """Return the address at which to record: `tracking`, else MLFLOW_TRACKING_URI, else a SQLite file in the store."""
    uri = (tracking or os.environ.get("MLFLOW_TRACKING_URI") or "").strip()
    if (found := _SCHEME.match(uri)) is not None:
        # SQLAlchemy expects the names of databases in lower case.
        uri = f"{found[0].lower()}{uri[found.end() :]}"
    own = store.root / OWN_DATABASE
    if not uri or uri == f"{SQLITE}{own}":
        return Address(f"{SQLITE}{own}", own, own=True)
    path = uri.removeprefix(SQLITE).partition("?")[0]
    # Whether `%` in a path is an escape or a plain character depends on the version of SQLAlchemy.
    plain = uri.startswith(SQLITE) and path and "%" not in path and not path.startswith((":memory:", "file:"))
    return Address(uri, Path(path).absolute() if plain else None)


def _check_database(file: Path, shown: str) -> None:
    remedy = "fix that, or name another database or server: --tracking sqlite:////absolute/path/mlflow.db"
    if file.is_dir():
        raise UserError(f"MLflow cannot record to {shown}: this is a folder, not a file; {remedy}")
    folder = file.parent
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise UserError(f"MLflow cannot record to {shown}: {folder} is not a folder that you may write to; {remedy}")
    if not file.is_file() or not file.stat().st_size:
        return
    try:
        with contextlib.closing(sqlite3.connect(f"file:{quote(str(file))}?mode=rw", uri=True, timeout=0)) as database:
            database.execute("begin immediate")
            database.rollback()
    except sqlite3.Error as error:
        if "locked" not in str(error):
            raise UserError(f"MLflow cannot record to {shown}: {error}; {remedy}") from None
