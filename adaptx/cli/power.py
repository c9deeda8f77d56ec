"""`adaptx power`: the gains that a recipe's design can detect."""

from typing import Annotated

import typer

from adaptx.cli.options import JsonOption, out, telling_left_out
from adaptx.cli.recipe_options import RecipeOptions, with_recipe_options
from adaptx.store.json_text import json_text

SeedDeviation = Annotated[
    float | None,
    typer.Option(
        "--seed-deviation",
        metavar="POINTS",
        help="Standard deviation of a gain over seeds, apart from the choice of test rows (default: measured in the "
        "store, otherwise 2).",
    ),
]
RowDeviation = Annotated[
    float | None,
    typer.Option(
        "--row-deviation",
        metavar="POINTS",
        help="Standard deviation of the difference of two models on one test row (default: measured in the store, "
        "otherwise 50, for models that differ on a quarter of the rows).",
    ),
]


@with_recipe_options
def power(
    options: RecipeOptions,
    seed_deviation: SeedDeviation = None,
    row_deviation: RowDeviation = None,
    as_json: JsonOption = False,
) -> None:
    """Show which gains a recipe's test rows and seeds can detect, and what more seeds or rows would change.

    Example: adaptx power recipes/quickstart.py --data sample --seed-deviation 1.5
    """
    from adaptx.report.power.power import Given, compute_power
    from adaptx.report.power.tables import power_records, power_tables
    from adaptx.report.tables.text import print_table

    given = Given(rows=_share(row_deviation), seeds=_share(seed_deviation))
    study = options.open()
    with telling_left_out(study.store):
        found = compute_power(study.dag, study.store, study.sources, given)
    if as_json:
        typer.echo(json_text(power_records(found), indent=1))
        return
    for table in power_tables(found):
        print_table(table, out)


def _share(points: float | None) -> float | None:
    return None if points is None else points / 100
