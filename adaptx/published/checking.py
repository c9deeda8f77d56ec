"""Whether a module's files are what a recipe says of them: its method, its sites and ranks, its base."""

import logging

from adaptx.errors import UserError
from adaptx.published import read_base, read_layout, written
from adaptx.sources.sources import Sources
from adaptx.specs import ModelSpec, Published

_log = logging.getLogger(__name__)
_OWNERS = ("google-bert", "FacebookAI")
"""Owners of the checkpoints that the hub once had under a name without owner, which older modules still give."""


def module_refusal(module: Published, sources: Sources) -> str | None:
    """Return why a module's files are not what the recipe says of them, with what to write; or None."""
    try:
        layout = read_layout(module, sources)
    except UserError as error:
        return str(error)
    if layout.method != module.method:
        return (
            f"published module {module.source} is not {written(module.method)} over {module.model.hub_id}; write: "
            f"Published({module.source!r}, ..., {written(layout.method)})"
        )
    if (reason := base_refusal(module, sources)) is not None:
        return reason
    if layout.of_head:
        _log.warning(
            "published module %s: %d tensors of its pooler or head stay behind (%s%s)",
            module.source, len(layout.of_head), layout.of_head[0], ", ..." if len(layout.of_head) > 1 else "",
        )  # fmt: skip
    return None


def base_refusal(module: Published, sources: Sources) -> str | None:
    """Return why the module's base is not known to be its model, both named; or None."""
    named, ours = read_base(module, sources), module.model.hub_id
    if module.same_base or _same_name(named, ours):
        return None
    theirs = _digest(named, sources)
    digest = sources.model(module.model).digest
    if theirs is not None and theirs == digest:
        return None
    shown = f"{named!r}{f' (digest {theirs})' if theirs else ''}" if named else "no base that its config names"
    return (
        f"published module {module.source} was trained over {shown}, and here it is to work on {ours!r}"
        f"{f' (digest {digest})' if theirs else ''}; use its own base, or, if they are the same weights, say so with "
        "Published(..., same_base=True)"
    )


def _same_name(named: str, ours: str) -> bool:
    return named == ours or ("/" not in named and ours in {f"{owner}/{named}" for owner in _OWNERS})


def _digest(named: str, sources: Sources) -> str | None:
    """Return the digest of a checkpoint that a module names, where it is at hand."""
    if not named:
        return None
    try:
        return sources.model(ModelSpec(named)).digest
    except (UserError, OSError):
        return None
