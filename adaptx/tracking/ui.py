"""The MLflow UI on a database: one server, in this process.

`mlflow ui` would start four workers and eleven job runners, whose supervisor kills workers that are slow to answer.
"""

import os
import socket
import warnings
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from adaptx.backbones.quiet import quiet
from adaptx.errors import UserError
from adaptx.tracking.address import Address
from adaptx.tracking.writer import NOTING, connect

HOST = "127.0.0.1"
DEFAULT_PORT = 5000
PORTS = 20
"""So many are tried, from the default on."""
GRACE_SECONDS = 2
"""For requests that are under way when the server is ended."""
DATABASE_VARIABLE = "_MLFLOW_SERVER_FILE_STORE"
"""Environment variable of the database's address. In the arguments anyone on the machine could read a password."""


def serve(address: Address, port: int | None, tell: Callable[[str], None]) -> None:
    """Serve the UI until Ctrl-C or SIGTERM; tells its address as soon as it answers. Changes the working folder.

    port: None is the first free one from 5000 on, 0 any free one.

    Raises:
        UserError: the port is taken, or the database does not open.
    """
    with _listening(port) as listening:
        at = f"http://{HOST}:{listening.getsockname()[1]}"
        try:
            client = connect(address)
            with quiet(*NOTING):
                links = _variant_links(client, at)
        except Exception as error:  # of MLflow, SQLAlchemy or a database's driver; may hold the password
            text = address.clean(f"{type(error).__name__}: {error}")
            raise UserError(f"MLflow cannot read the runs at {address.shown}: {text}") from None
        os.environ[DATABASE_VARIABLE] = client.tracking_uri

        def ready() -> None:
            tell(f"MLflow UI on {address.shown}: {at} (Ctrl-C ends it)")
            for experiment, link in links:
                tell(f"  {experiment}, variants side by side: {link}")

        _serve(listening, ready)


def _serve(listening: socket.socket, ready: Callable[[], None]) -> None:
    import uvicorn

    with warnings.catch_warnings():
        # It tells of what another library will change.
        warnings.simplefilter("ignore")
        # Only now: it reads the variable above as it is imported.
        from mlflow.server.fastapi_app import app

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                ready()

    server = Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=GRACE_SECONDS))
    try:
        with quiet(*NOTING):
            server.run([listening])
    except KeyboardInterrupt:
        # It has shut down, and passes on what ended it.
        return


def _listening(port: int | None) -> socket.socket:
    """Return a socket that listens, so that no other server can take the port any more."""
    ports = range(DEFAULT_PORT, DEFAULT_PORT + PORTS) if port is None else (port,)
    cause = ""
    for each in ports:
        try:
            return socket.create_server((HOST, each))
        except OSError as error:
            cause = os.strerror(error.errno or 0)
    where = f"--port {port}" if port is not None else f"ports {ports[0]} to {ports[-1]}"
    raise UserError(f"{where}: {cause}; choose another one, or --port 0 for any that is free")


def _variant_links(client: Any, at: str) -> list[tuple[str, str]]:
    """Return (experiment, address of its evaluated variants as charts side by side) for each recipe."""
    query = quote("tags.`adaptx.kind` = 'variant'")
    return [
        (
            found.name,
            f"{at}/#/experiments/{found.experiment_id}/runs?searchFilter={query}&compareRunsMode=CHART",
        )
        for found in client.search_experiments()
        if found.name != "Default"
    ]
