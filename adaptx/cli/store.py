"""`adaptx ui` and `adaptx prune`: show the runs of a store, and remove stages from it."""

from pathlib import Path
from typing import Annotated

import typer

from adaptx.api import DEFAULT_STORE
from adaptx.cli.options import (
    DataOption,
    LimitOption,
    ModelOption,
    PrecisionOption,
    SetOption,
    SizeOption,
    StoreOption,
    TrackingOption,
    out,
    telling_left_out,
)
from adaptx.cli.recipe_options import recipe_options
from adaptx.errors import UserError
from adaptx.store.store import Store


def ui(
    store: StoreOption = DEFAULT_STORE,
    tracking: TrackingOption = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Port of the web page (default: 5000, or the next free one)."),
    ] = None,
) -> None:
    """Serve the MLflow UI for the runs of a store.

    Example: adaptx ui --store adaptx-store
    """
    from adaptx.tracking.address import address_of
    from adaptx.tracking.ui import serve

    kept = Store(store)
    with telling_left_out(kept):
        address = address_of(tracking, kept).check()
    if address.is_server:
        out.print(f"{address.shown} is an MLflow server, which has its own UI: open that address in a browser")
        return
    if address.database is not None and not address.database.is_file():
        raise UserError(f"there are no runs in {store}; `adaptx run RECIPE --store {store}` records some")
    serve(address, port, lambda text: out.print(text, highlight=False, markup=False, soft_wrap=True))


def prune(
    recipes: Annotated[list[Path], typer.Argument(help="Recipes whose stages are kept.")],
    store: StoreOption = DEFAULT_STORE,
    data: DataOption = None,
    model: ModelOption = None,
    size: SizeOption = None,
    settings: SetOption = None,
    limit: LimitOption = None,
    precision: PrecisionOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Remove without asking for confirmation.")] = False,
) -> None:
    """List the stages in the store that none of these recipes needs, and remove them after a confirmation.

    Example: adaptx prune recipes/quickstart.py --data sample
    """
    from adaptx.planning.pruning import leftovers, remove, size_bytes, unreached
    from adaptx.store.live_runs import no_run_begins

    plans = [recipe_options(each, store, data, model, size, settings, limit, precision).open().dag for each in recipes]
    kept = Store(store)
    entries = unreached(kept, plans)
    loose = leftovers(kept, plans, entries)
    if not entries and not loose:
        out.print("nothing to remove: these recipes need every stage in the store")
        return
    for path in [*(entry.folder for entry in entries), *loose]:
        out.print(f"  {path.relative_to(kept.root)}  {size_bytes(path) / 1e6:.1f} MB", markup=False, highlight=False)
    if not yes:
        typer.confirm(f"Remove these {len(entries)} stages and {len(loose)} leftovers from {kept.root}?", abort=True)
    with no_run_begins(kept.root) as live:
        if live:
            raise UserError(
                f"nothing was removed: another run is using {kept.root} and needs the stages that it builds and "
                "reads; prune again when that run has ended"
            )
        for entry in entries:
            kept.remove(entry)
        for path in loose:
            remove(path)
    extra = f" and {len(loose)} leftovers" if loose else ""
    out.print(f"{len(entries)} stages{extra} removed")
