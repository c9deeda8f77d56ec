"""The linear maps of a transformer layer, by names that are the same in all architectures."""

SITES = ("query", "key", "value", "output", "up", "down")
"""The sites: attention's query, key, value and output projection, and the feed-forward's up projection (from hidden to
intermediate size) and down projection."""

COMPANIONS = {
    "query": "cross_query",
    "key": "cross_key",
    "value": "cross_value",
    "output": "cross_output",
    "up": "gate",
}
"""Site -> its companion, a linear map that a method adapts together with the site if a layer has it.

Companions are the maps of an encoder-decoder's cross-attention, which peft also adapts by default, and the gate of a
gated feed-forward."""


FUSED = {"query_key_value": ("query", "key", "value"), "up_gate": ("up", "gate")}
"""Fused linear map -> the maps that it replaces (in BLOOM and ModernBERT)."""


def with_companions(sites: tuple[str, ...]) -> tuple[str, ...]:
    """Return the linear maps that a method at these sites may adapt: the sites, their companions, and fused maps.

    A layer has only some of the returned maps, and the method adapts these. A fused map is adapted as a whole: in
    BLOOM, `Lora(sites=("query", "value"))` adapts the fused map `query_key_value`, and so the keys as well.
    """
    apart = (*sites, *(COMPANIONS[site] for site in sites if site in COMPANIONS))
    return (*apart, *(fused for fused, parts in FUSED.items() if set(parts) & set(sites)))


def sites_behind(name: str) -> tuple[str, ...]:
    """Return the sites to which a linear map belongs.

    The site `query` belongs to itself, the companion `gate` to `up`, and the fused map `up_gate` to `up`.
    """
    if name in FUSED:
        return tuple(site for site in FUSED[name] if site in SITES)
    return (next((site for site, companion in COMPANIONS.items() if companion == name), name),)


def are_sites(sites: tuple[str, ...]) -> bool:
    """Return whether a tuple is not empty and all its items are distinct sites."""
    return bool(sites) and set(sites) <= set(SITES) and len(set(sites)) == len(sites)
