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

    An architecture has a map either separately or as part of a fused map. A method adapts those of the returned maps
    that a layer has. A fused map is adapted as a whole: in BLOOM, `Lora(sites=("query", "value"))` adapts the keys as
    well.
    """
    apart = (*sites, *(COMPANIONS[site] for site in sites if site in COMPANIONS))
    return (*apart, *(fused for fused, parts in FUSED.items() if set(parts) & set(sites)))


def sites_behind(name: str) -> tuple[str, ...]:
    """Return the sites to which a linear map belongs.

    A site belongs to itself, a companion to its site, and a fused map to the sites that it serves.
    """
    if name in FUSED:
        return tuple(site for site in FUSED[name] if site in SITES)
    return (next((site for site, companion in COMPANIONS.items() if companion == name), name),)


def are_sites(sites: tuple[str, ...]) -> bool:
    """Return whether a tuple holds at least one site, no site twice, and nothing else."""
    return bool(sites) and set(sites) <= set(SITES) and len(set(sites)) == len(sites)
