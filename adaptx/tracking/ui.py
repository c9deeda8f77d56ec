"""The MLflow UI on a database: one server, in this process.

The command `mlflow ui` is not used: it starts 15 processes, and its supervisor kills workers that are slow to answer.
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
"""Number of ports to try, starting with the default port."""
GRACE_SECONDS = 2
"""Time for open requests to finish when the server stops."""
DATABASE_VARIABLE = "_MLFLOW_SERVER_FILE_STORE"
"""Environment variable that passes the database's address to MLflow.

A command-line argument would show a password in the address to every user of the machine.
"""


def serve(address: Address, port: int | None, tell: Callable[[str], None]) -> None:
    """Serve the UI until Ctrl-C or SIGTERM. This may change the working folder.

    port: None for the first free port from 5000 on, 0 for any free port. tell: receives the UI's address as soon as
    the UI answers.

    Raises:
        UserError: the port is in use, or the database cannot be opened.
    """
    with _listening(port) as listening:
        at = f"http://{HOST}:{listening.getsockname()[1]}"
        try:
            client = connect(address)
            with quiet(*NOTING):
                links = _variant_links(client, at)
        except Exception as error:  # from MLflow, SQLAlchemy or a database driver; its text may contain the password
            text = address.clean(f"{type(error).__name__}: {error}")
            raise UserError(
                f"MLflow cannot read the runs at {address.shown}: {text}; repair the database, or name another one "
                "with --tracking"
            ) from None
        os.environ[DATABASE_VARIABLE] = client.tracking_uri

        def ready() -> None:
            tell(f"MLflow UI on {address.shown}: {at} (press Ctrl-C to stop it)")
            for experiment, link in links:
                tell(f"  {experiment}, variants side by side: {link}")

        _serve(listening, ready)


def _serve(listening: socket.socket, ready: Callable[[], None]) -> None:
    import uvicorn

    with warnings.catch_warnings():
        # MLflow warns about future changes in other libraries, which users cannot act on.
        warnings.simplefilter("ignore")
        # Import only now, because the module reads the environment variable above when it is imported.
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
        # The server has already shut down; uvicorn only passes on the signal that stopped it.
        return


def _listening(port: int | None) -> socket.socket:
    """Return a socket that already listens on the port, so that no other program can take the port in the meantime."""
    ports = range(DEFAULT_PORT, DEFAULT_PORT + PORTS) if port is None else (port,)
    cause = ""
    for each in ports:
        try:
            return socket.create_server((HOST, each))
        except OSError as error:
            cause = os.strerror(error.errno or 0)
    where = f"--port {port}" if port is not None else f"ports {ports[0]} to {ports[-1]}"
    raise UserError(f"{where}: {cause}; choose another port, or --port 0 for any free port")


def _variant_links(client: Any, at: str) -> list[tuple[str, str]]:
    """Return, for each experiment, its name and the address of the charts that compare its variants."""
    query = quote("tags.`adaptx.kind` = 'variant'")
    return [
        (
            found.name,
            f"{at}/#/experiments/{found.experiment_id}/runs?searchFilter={query}&compareRunsMode=CHART",
        )
        for found in client.search_experiments()
        if found.name != "Default"
    ]
