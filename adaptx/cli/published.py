"""`adaptx published`: print the line with which a recipe can use a module that was written by peft or adapters."""

from typing import Annotated

import typer

from adaptx.cli.options import DataOption, out, tell
from adaptx.sources.sources import Sources


def published(
    source: Annotated[str, typer.Argument(help="Hub id (owner/name) or folder (./name) of the module.")],
    model: Annotated[
        str, typer.Option("--model", help="Hub id or folder of the checkpoint on which the module was trained.")
    ],
    data: DataOption = None,
    revision: Annotated[str | None, typer.Option("--revision", help="Branch, tag or commit on the hub.")] = None,
) -> None:
    """Print the line `Published(...)` with which a recipe can use a module that was written by peft or adapters.

    The line names the module's source, model and method.

    Example: adaptx published ./nli-lora --model FacebookAI/xlm-roberta-base
    """
    from adaptx.catalog import find_model
    from adaptx.published import read_method, written
    from adaptx.published.checking import module_refusal
    from adaptx.specs import Published

    over = find_model(model)
    method = read_method(source, over, data=data, revision=revision)
    given = [repr(source), f"find_model({model!r})", written(method)]
    if revision is not None:
        given.append(f"revision={revision!r}")
    out.print(f"Published({', '.join(given)})", markup=False, highlight=False, soft_wrap=True)
    if (reason := module_refusal(Published(source, over, method, revision=revision), Sources(data))) is not None:
        tell(f"planning would refuse it: {reason}")
