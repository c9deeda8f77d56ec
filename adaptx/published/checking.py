"""Check that a published module has the base and the method that a recipe states."""

import logging

from adaptx.errors import UserError
from adaptx.published import read_base, read_layout, written
from adaptx.sources.sources import Sources
from adaptx.specs import ModelSpec, Published

_log = logging.getLogger(__name__)
_OWNERS = ("google-bert", "FacebookAI")
"""Owners of checkpoints that the hub once had under a name without an owner. Older modules still use those names."""


def module_refusal(module: Published, sources: Sources) -> str | None:
    """Return how a module's files differ from the recipe, and what to write instead; None if they agree."""
    try:
        layout = read_layout(module, sources)
    except UserError as error:
        return str(error)
    if layout.method != module.method:
        return (
            f"published module {module.source} on {module.model.hub_id} is not {written(module.method)}; write: "
            f"Published({module.source!r}, ..., {written(layout.method)})"
        )
    if (reason := base_refusal(module, sources)) is not None:
        return reason
    if layout.of_head:
        _log.warning(
            "published module %s: %d tensors of its pooler or head are not used (%s%s)",
            module.source, len(layout.of_head), layout.of_head[0], ", ..." if len(layout.of_head) > 1 else "",
        )  # fmt: skip
    return None


def base_refusal(module: Published, sources: Sources) -> str | None:
    """Return a message if a module's base checkpoint may differ from the recipe's model, otherwise None."""
    named, ours = read_base(module, sources), module.model.hub_id
    if module.same_base or _same_name(named, ours):
        return None
    theirs = _digest_if_available(named, sources)
    digest = sources.model(module.model).digest
    if theirs is not None and theirs == digest:
        return None
    shown = f"{named!r}{f' (digest {theirs})' if theirs else ''}" if named else "a base that its config does not name"
    return (
        f"published module {module.source} was trained on {shown}, but the recipe uses it on {ours!r}"
        f"{f' (digest {digest})' if theirs else ''}; use its own base, or, if both have the same weights, write "
        "Published(..., same_base=True)"
    )


def _same_name(named: str, ours: str) -> bool:
    return named == ours or ("/" not in named and ours in {f"{owner}/{named}" for owner in _OWNERS})


def _digest_if_available(named: str, sources: Sources) -> str | None:
    if not named:
        return None
    try:
        return sources.model(ModelSpec(named)).digest
    except (UserError, OSError):
        return None
