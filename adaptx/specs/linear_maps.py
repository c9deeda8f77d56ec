"""The linear maps of a transformer layer, by the names that every family shares."""

SITES = ("query", "key", "value", "output", "up", "down")
"""Linear maps of a transformer layer, by the names every family shares: attention's query, key, value and output,
the feed-forward's up (hidden to intermediate) and down projection."""

COMPANIONS = {
    "query": "cross_query",
    "key": "cross_key",
    "value": "cross_value",
    "output": "cross_output",
    "up": "gate",
}
"""Site -> the linear map that goes with it where a layer has one: in an encoder-decoder's attention from one stack to
the other (as peft takes them by default), and in a gated feed-forward."""


FUSED = {"query_key_value": ("query", "key", "value"), "up_gate": ("up", "gate")}
"""One linear map -> the maps that it is where it takes the place of several (BLOOM, ModernBERT)."""


def with_companions(sites: tuple[str, ...]) -> tuple[str, ...]:
    """The maps that a method at these sites may find: they themselves, their companions, and what is fused of them.

    An architecture has a map either apart or fused, so those that it has are the maps to adapt. A fused map is adapted
    once and as a whole: there `Lora(sites=("query", "value"))` adapts keys as well.
    """
    apart = (*sites, *(COMPANIONS[site] for site in sites if site in COMPANIONS))
    return (*apart, *(fused for fused, parts in FUSED.items() if set(parts) & set(sites)))


def sites_behind(name: str) -> tuple[str, ...]:
    """The sites that a linear map of this name belongs to: several of a fused one, one of a companion."""
    if name in FUSED:
        return tuple(site for site in FUSED[name] if site in SITES)
    return (next((site for site, companion in COMPANIONS.items() if companion == name), name),)


def are_sites(sites: tuple[str, ...]) -> bool:
    """Return whether these are distinct sites, and at least one."""
    return bool(sites) and set(sites) <= set(SITES) and len(set(sites)) == len(sites)
